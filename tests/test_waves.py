"""One first, then some, then the rest; and what stops them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.isolate import Isolate
from responder import Action, Incident, Outcome, Playbook, Receipt, Unverified
from responder.contract import Request
from responder.plan import PointReceipt
from responder.workflows.waves import surprise, waves


@pytest.mark.parametrize(
    ("count", "sizes", "expected"),
    [
        (0, (1, 5), []),
        (1, (1, 5), [1]),
        (2, (1, 5), [1, 1]),
        (6, (1, 5), [1, 5]),
        (7, (1, 5), [1, 5, 1]),
        (40, (1, 5), [1, 5, 34]),
        (4, (), [4]),
        (4, (2,), [2, 2]),
        (3, (9,), [3]),
    ],
)
def test_a_wave_of_one_then_of_some_then_of_the_rest(
    count: int, sizes: tuple[int, ...], expected: list[int]
) -> None:
    assert [len(wave) for wave in waves(range(count), sizes)] == expected


@given(st.lists(st.integers(), max_size=60), st.lists(st.integers(1, 20), max_size=6))
def test_every_item_is_in_exactly_one_wave_and_in_order(items: list[int], sizes: list[int]) -> None:
    found = [list(wave) for wave in waves(items, sizes)]
    assert [item for wave in found for item in wave] == items
    assert all(found)


@pytest.mark.parametrize("sizes", [(0,), (1, -1)])
def test_a_wave_of_none_is_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected waves of at least one"):
        list(waves("abc", sizes))


def receipt(action: Action[Any], *outcomes: str, refused: str = "") -> Receipt:
    points = tuple(
        PointReceipt(
            point=f"p{n}", resource="r", outcome=Outcome(o), said="no answer" if o == "unknown" else "",
            at=datetime(2026, 3, 4, tzinfo=UTC),
        )
        for n, o in enumerate(outcomes)
    )  # fmt: skip
    request = Request.of(action)
    return Receipt(key="k", request=request, summary=str(action), points=points, refused=refused)


WEB, DB = Isolate(host="web1"), Isolate(host="db1")


@pytest.mark.parametrize(
    ("receipts", "said"),
    [
        ([], ""),
        ([receipt(WEB, "verified", "verified")], ""),
        ([receipt(WEB)], "isolate web1: at no enforcement point"),
        ([receipt(WEB, refused="it is the last")], "isolate web1: refused, it is the last"),
        (
            [receipt(WEB, "verified"), receipt(DB, "verified", "unknown", "failed")],
            "isolate db1: unknown at p1 (no answer), failed at p2",
        ),
        ([receipt(WEB, "pending")], "isolate web1: pending at p0"),
        ([receipt(WEB, "drifted")], "isolate web1: drifted at p0"),
    ],
)
def test_whatever_is_not_verified_is_a_surprise(receipts: list[Receipt], said: str) -> None:
    assert surprise(receipts) == said


class Waving(Playbook, answers="nothing"):
    """A playbook whose `do` is answered by the test: what is tried here is only when it goes on."""

    def __init__(self, *answers: str) -> None:
        super().__init__()
        self.answers_left = list(answers)
        self.asked: list[Sequence[str]] = []
        self.do = self.answered  # type: ignore[method-assign]

    async def run(self, incident: Incident) -> None:
        """Is never run."""

    async def answered(self, *actions: Action[Any], otherwise: str = "") -> list[Receipt]:
        self.asked.append([str(action) for action in actions])
        answer = self.answers_left.pop(0)
        return [receipt(action, answer) for action in actions]


HOSTS = [Isolate(host=f"web{n}") for n in range(1, 5)]


@pytest.mark.asyncio
async def test_waves_go_on_while_all_is_verified() -> None:
    playbook = Waving("verified", "verified", "unknown")
    receipts = await playbook.do_in_waves(*HOSTS, sizes=(1, 2))
    assert playbook.asked == [["isolate web1"], ["isolate web2", "isolate web3"], ["isolate web4"]]
    assert [one.verified for one in receipts] == [True, True, True, False], "told as `do` tells it"


@pytest.mark.asyncio
async def test_waves_stop_at_the_first_surprise_and_name_what_was_not_begun() -> None:
    playbook = Waving("verified", "failed", "verified")
    with pytest.raises(Unverified) as caught:
        await playbook.do_in_waves(*HOSTS, sizes=(1, 1))
    assert playbook.asked == [["isolate web1"], ["isolate web2"]]
    assert caught.value.message == (
        "isolate web2: failed at p0; stopped after 2 of 4, not begun: isolate web3, isolate web4"
    )
