"""What must stay in service, whatever is approved: every small fleet, tried out."""

import itertools
from collections.abc import Sequence

import pytest

from responder.incident import Indicators, Priority
from responder.policy.availability import Asset, Availability, Keeps, Quorum, loss
from responder.policy.judge import Case, Policy, Verdict, judge
from responder.policy.tiers import Ruling, Tier

RULES = Availability()


def fleet(count: int, role: str = "web", *, quorum: int = 0, down: int = 0) -> list[Asset]:
    """So many hosts of one role, the last *down* of them out of service."""
    group = Quorum(group="etcd", size=quorum) if quorum else None
    return [
        Asset(name=f"{role}{n}", role=role, quorum=group, down=n > count - down)
        for n in range(1, count + 1)
    ]


def case(host: str, kind: str = "Isolate") -> Case:
    return Case(
        kind=kind,
        summary=f"isolate {host}",
        tier=Tier.T2,
        lasts=None,
        reversible=True,
        touches=Indicators(hosts=(host,)),
    )


def ruled(
    assets: Sequence[Asset], *hosts: str, isolated: Sequence[str] = (), kind: str = "Isolate"
) -> list[Verdict]:
    policy = Policy(assets=tuple(assets), budgets={})
    cases = [case(host, kind) for host in hosts]
    everything = Indicators(hosts=tuple(asset.name for asset in assets))
    return list(
        judge(
            policy, cases, priority=Priority.P1, indicators=everything, used={}, isolated=isolated
        )
    )


@pytest.mark.parametrize("count", range(1, 8))
@pytest.mark.parametrize("share", [1, 34, 50, 99])
@pytest.mark.parametrize("down", [0, 1])
def test_of_every_fleet_a_healthy_one_is_left_and_no_more_than_the_share_is_isolated(
    count: int, share: int, down: int
) -> None:
    assets = fleet(count, down=min(down, count))
    rules = Availability(largest_share=share)
    for order in itertools.islice(itertools.permutations([a.name for a in assets]), 24):
        gone: set[str] = set()
        for host in order:
            if not loss(rules, assets, host, gone):
                gone.add(host)
        serving = [a.name for a in assets if not a.down]
        if serving:
            assert set(serving) - gone, (order, gone)
        assert len(gone.intersection(serving)) <= max(count * share // 100, 0)


@pytest.mark.parametrize("size", range(1, 10))
def test_of_every_quorum_a_majority_is_left(size: int) -> None:
    assets = fleet(size, role="", quorum=size)
    gone: set[str] = set()
    for asset in assets:
        if not loss(RULES, assets, asset.name, gone):
            gone.add(asset.name)
    assert len(gone) == (size - 1) // 2
    assert size - len(gone) > size / 2


def test_members_that_are_down_or_not_ours_are_counted_in_a_quorum() -> None:
    three_of_five = fleet(3, quorum=5, role="", down=1)
    assert loss(RULES, three_of_five, "1", ()) == ""
    assert loss(RULES, three_of_five, "2", ("1",)) == (
        "2 is in the quorum etcd of 5: at most 2 may be missing, and 2 are (1, 3)"
    )
    assert loss(RULES, three_of_five, "3", ("1",)) == "", "its vote is gone already"


@pytest.mark.parametrize(
    ("assets", "host", "isolated", "said"),
    [
        (fleet(1), "web1", (), "web1 is the last healthy web of 1"),
        (fleet(2, down=1), "web1", (), "web1 is the last healthy web of 2"),
        (fleet(2), "web1", ("web2",), "web1 is the last healthy web of 2"),
        (
            fleet(4),
            "web1",
            ("web2", "web3"),
            "web1 is one of 4 web: at most 2 (50 %) may be isolated at once, and 2 are (web2, web3)",
        ),
        (
            fleet(3, quorum=3),
            "web1",
            ("web3",),
            "web1 is in the quorum etcd of 3: at most 1 may be missing, and 1 are (web3)",
        ),
        (
            fleet(2, quorum=2),
            "web1",
            (),
            "web1 is in the quorum etcd of 2: at most 0 may be missing, and 0 are",
        ),
    ],
)
def test_a_refusal_is_one_line_with_names_and_numbers(
    assets: list[Asset], host: str, isolated: tuple[str, ...], said: str
) -> None:
    (verdict,) = ruled(assets, host, isolated=isolated)
    assert (verdict.ruling, verdict.reason) == (Ruling.REFUSE, said)


@pytest.mark.parametrize(
    ("keeps", "what"), [("runner", "the runner"), ("temporal", "Temporal"), ("siem", "the SIEM")]
)
def test_what_we_run_on_is_never_isolated(keeps: Keeps, what: str) -> None:
    host = Asset(name="ops1", keeps=keeps)
    for isolated in ((), ("ops1",)):
        (verdict,) = ruled([host], "ops1", isolated=isolated)
        assert verdict.ruling is Ruling.REFUSE
        assert verdict.reason == f"ops1 keeps {what}, which is never isolated"


def test_a_batch_is_judged_as_if_one_came_after_the_other() -> None:
    assets = fleet(4)
    rulings = [v.ruling for v in ruled(assets, "web1", "web2", "web3", "web4")]
    assert rulings == [Ruling.ASK, Ruling.ASK, Ruling.REFUSE, Ruling.REFUSE]


def test_what_is_isolated_already_may_be_held_longer() -> None:
    (verdict,) = ruled(fleet(2), "web1", isolated=("web1",))
    assert verdict.ruling is Ruling.ASK
    (other,) = ruled(fleet(2), "web2", isolated=("web1",))
    assert other.ruling is Ruling.REFUSE


def test_hosts_without_a_role_and_actions_that_take_nothing_away_are_not_counted() -> None:
    assets = [Asset(name="a"), Asset(name="b")]
    assert [v.ruling for v in ruled(assets, "a", "b")] == [Ruling.ASK] * 2
    (verdict,) = ruled(fleet(1), "web1", kind="Collect")
    assert verdict.ruling is Ruling.ASK
