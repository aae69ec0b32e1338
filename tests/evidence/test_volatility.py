import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from responder.evidence.volatility import Order, OutOfOrder, Step, Volatility, Waiver

steps = st.lists(
    st.builds(Step, name=st.sampled_from("abcdefgh"), volatility=st.sampled_from(Volatility)),
    min_size=1, max_size=8, unique_by=lambda step: step.name,
)  # fmt: skip
moves = st.lists(
    st.tuples(st.sampled_from(["do", "waive"]), st.sampled_from("abcdefgh")), max_size=30
)


def waiver(name: str) -> Waiver:
    return Waiver(step=name, reason="there is no time for it")


@given(steps=steps, moves=moves)
def test_nothing_begins_while_something_more_volatile_is_open(
    steps: list[Step], moves: list[tuple[str, str]]
) -> None:
    order = Order(steps=tuple(steps))
    known = {step.name: step for step in steps}
    finished: set[str] = set()
    waived: set[str] = set()
    for what, name in moves:
        open_before = {
            s.name for s in steps
            if name in known and s.volatility < known[name].volatility
            and s.name not in finished | waived
        }  # fmt: skip
        if what == "waive":
            if name in known and name not in finished:
                order = order.waive(waiver(name))
                waived.add(name)
            else:
                with pytest.raises(OutOfOrder):
                    order.waive(waiver(name))
        elif name in known and not open_before and name not in waived:
            order = order.finish(order.begin(name))
            finished.add(name)
        else:
            with pytest.raises(OutOfOrder):
                order.begin(name)
        assert order.finished == finished
        assert {w.step for w in order.waived} == waived


@given(steps=steps, permuted=st.randoms(use_true_random=False))
def test_every_collection_can_be_done_in_the_order_of_volatility(steps, permuted) -> None:  # type: ignore[no-untyped-def]
    permuted.shuffle(steps)
    order = Order(steps=tuple(steps))
    for step in sorted(steps, key=lambda s: s.volatility):
        order = order.finish(order.begin(step.name))
    assert order.finished == {step.name for step in steps}


def test_the_message_names_what_must_come_first() -> None:
    order = Order(
        steps=(
            Step(name="files", volatility=Volatility.DISK_FILES),
            Step(name="times", volatility=Volatility.DISK_TIMES),
            Step(name="sockets", volatility=Volatility.KERNEL_TABLES),
        )
    )
    with pytest.raises(OutOfOrder) as caught:
        order.begin("files")
    assert str(caught.value) == (
        "files (DISK_FILES) is less volatile than sockets (KERNEL_TABLES), times (DISK_TIMES), "
        "which must be finished or waived with a reason first (RFC 3227 section 2.1)"
    )
    freed = order.waive(waiver("times")).waive(waiver("sockets"))
    assert freed.begin("files").step.name == "files"


def test_file_contents_come_after_the_times_of_their_file_system() -> None:
    assert Volatility.TEMPORARY_TIMES < Volatility.TEMPORARY_FILES < Volatility.DISK_TIMES
    assert Volatility.MEMORY < Volatility.TEMPORARY_TIMES
    assert Volatility.DISK_TIMES < Volatility.DISK_FILES < Volatility.REMOTE_LOGS


@pytest.mark.parametrize("reason", ["", "no", "x" * 501])
def test_a_waiver_needs_a_reason(reason: str) -> None:
    with pytest.raises(ValidationError, match="reason"):
        Waiver(step="memory", reason=reason)
