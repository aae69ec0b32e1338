# ruff: noqa: RUF001 - digits that are none

import random
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest
from pydantic import ValidationError

from activities.block import Block
from activities.isolate import Isolate
from responder.incident import Indicators, Network, Priority
from responder.policy.availability import Asset
from responder.policy.judge import Case, Policy, Verdict, judge
from responder.policy.networks import INTERNAL, Protected, parse_network
from responder.policy.tiers import Needs, Ruling, Tier, TierRules
from tests.policy.test_networks import GATEWAY, WAYS, in_ipv6

WEB1 = Asset(name="web1", networks=(parse_network("198.51.100.10"),))
WEB2 = Asset(name="web2", networks=(parse_network("198.51.100.11"),))
DB1 = Asset(name="db1", networks=(parse_network("2001:db8:1::20"),), protected=True)
POLICY = Policy(protected=(INTERNAL, GATEWAY), assets=(WEB1, WEB2, DB1))
DAY = timedelta(days=1)


def case(*networks: str, hosts: tuple[str, ...] = (), **more: Any) -> Case:
    """A block of these networks, or whatever *more* makes of it."""
    touches = Indicators(networks=tuple(parse_network(n) for n in networks), hosts=hosts)
    given = {"kind": "Block", "summary": "it", "tier": Tier.T1, "lasts": DAY, "reversible": True}
    return Case.model_validate({**given, "touches": touches, **more})


def ruled(
    *cases: Case,
    policy: Policy = POLICY,
    priority: Priority = Priority.P2,
    named: Indicators | None = None,
    used: dict[str, int] | None = None,
) -> tuple[Verdict, ...]:
    """The verdicts; everything touched is named by an alert unless *named* says otherwise."""
    everything = Indicators()
    for one in cases:
        everything = everything | one.touches
    indicators = everything if named is None else named
    return judge(policy, cases, priority=priority, indicators=indicators, used=used or {})


@pytest.mark.parametrize(
    ("given", "tier", "ruling"),
    [
        pytest.param(case("203.0.113.7"), "T1", "allow", id="one address, a day"),
        pytest.param(case("2001:db8:7::7"), "T1", "allow", id="one IPv6 address"),
        pytest.param(
            case("203.0.113.7", lasts=DAY + timedelta(seconds=1)), "T2", "ask", id="longer"
        ),
        pytest.param(case("203.0.113.8/31"), "T2", "ask", id="two addresses"),
        pytest.param(case("203.0.113.16/28"), "T2", "ask", id="/28"),
        pytest.param(case("203.0.113.32/27"), "T3", "ask", id="/27"),
        pytest.param(case("203.1.0.0/16"), "T3", "ask", id="/16"),
        pytest.param(case("203.0.0.0/15"), "T3", "refuse", id="wider than policy"),
        pytest.param(case("2001:db8:7::/127"), "T2", "ask", id="/127"),
        pytest.param(case("2001:db8:7::/64"), "T2", "ask", id="/64"),
        pytest.param(case("2001:db8:7::/63"), "T3", "ask", id="/63"),
        pytest.param(case("2400::/31"), "T3", "refuse", id="wider than /32"),
        pytest.param(
            case(hosts=("web1",), kind="Isolate", tier=Tier.T2), "T2", "ask", id="one node"
        ),
        pytest.param(
            case(hosts=("db1",), kind="Isolate", tier=Tier.T2), "T3", "ask", id="protected node"
        ),
        pytest.param(
            case(hosts=("db1",), tier=Tier.T0), "T0", "allow", id="reading it cuts nothing off"
        ),
        pytest.param(
            case(hosts=("web9",), kind="Isolate", tier=Tier.T2), "T3", "refuse", id="unknown node"
        ),
        pytest.param(case("203.0.113.7", reversible=False), "T3", "ask", id="irreversible"),
        pytest.param(case(hosts=("web1",), tier=Tier.T0, reversible=False), "T0", "allow", id="T0"),
        pytest.param(case("198.51.100.10"), "T3", "refuse", id="our own address"),
        pytest.param(case("198.51.100.0/28"), "T3", "refuse", id="a network with our own in it"),
        pytest.param(case("::ffff:198.51.100.10"), "T3", "refuse", id="our own, mapped"),
        pytest.param(case("203.0.113.1"), "T3", "refuse", id="our gateway"),
    ],
)
def test_each_tier_s_boundary(given: Case, tier: str, ruling: str) -> None:
    (verdict,) = ruled(given)
    assert (verdict.tier, verdict.ruling) == (tier, ruling)
    assert verdict.reason


@pytest.mark.parametrize(
    ("priority", "ruling"), [("P1", "allow"), ("P2", "allow"), ("P3", "allow"), ("P4", "ask")]
)
def test_a_single_address_is_blocked_alone_for_urgent_incidents_only(
    priority: str, ruling: str
) -> None:
    (verdict,) = ruled(case("203.0.113.7"), priority=Priority(priority))
    assert verdict.ruling == ruling


def test_two_nodes_in_one_batch_need_two_people() -> None:
    nodes = [case(hosts=(h,), kind="Isolate", tier=Tier.T2) for h in ("web1", "web2")]
    assert [v.tier for v in ruled(*nodes)] == [Tier.T3, Tier.T3]
    assert "more than one node" in ruled(*nodes)[0].reason


def test_the_same_node_twice_is_one_node() -> None:
    nodes = [case(hosts=("web1",), kind="Isolate", tier=Tier.T2)] * 2
    assert [v.tier for v in ruled(*nodes)] == [Tier.T2, Tier.T2]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (case("203.0.113.7"), Indicators()),
        (case("203.0.113.7"), case("203.0.113.8").touches),
        (case("203.0.113.7"), case("203.0.113.0/24").touches),
        (case("203.0.113.7"), case("::ffff:203.0.113.7").touches),
        (case(hosts=("web1",), tier=Tier.T1), case("203.0.113.7", hosts=("web2",)).touches),
        (
            case(touches=Indicators(accounts=("root",))),
            Indicators(accounts=("admin",), hosts=("root",)),
        ),
    ],
)
def test_what_no_alert_named_is_never_done_without_a_person(asked: Case, named: Indicators) -> None:
    (verdict,) = ruled(asked, named=named)
    assert verdict.ruling is not Ruling.ALLOW
    assert verdict.tier.rank >= Tier.T2.rank
    assert "no alert of this incident names it" in verdict.reason


def test_a_budget_counts_what_was_used_and_the_batch_itself() -> None:
    policy = POLICY.model_copy(update={"budgets": {"Block": 3}})
    cases = [case(f"203.0.113.{n}") for n in (5, 6, 7)]
    rulings = [v.ruling for v in ruled(*cases, policy=policy, used={"Block": 1})]
    assert rulings == [Ruling.ALLOW, Ruling.ALLOW, Ruling.REFUSE]


def test_what_is_refused_uses_no_budget() -> None:
    policy = POLICY.model_copy(update={"budgets": {"Block": 1}})
    verdicts = ruled(case("10.0.0.1"), case("203.0.113.7"), policy=policy)
    assert [v.ruling for v in verdicts] == [Ruling.REFUSE, Ruling.ALLOW]


def test_a_batch_that_is_too_large_is_refused_as_a_whole() -> None:
    policy = POLICY.model_copy(update={"largest_batch": 2})
    verdicts = ruled(*(case(f"203.0.113.{n}") for n in (5, 6, 7)), policy=policy)
    assert {v.ruling for v in verdicts} == {Ruling.REFUSE}
    assert verdicts[0].reason == "3 actions at once; policy allows 2"


@pytest.mark.parametrize("missing", list(Tier))
def test_a_tier_that_policy_says_nothing_about_is_refused(missing: Tier) -> None:
    needs = {t: n for t, n in TierRules().needs.items() if t is not missing}
    policy = POLICY.model_copy(update={"tiers": TierRules(needs=needs)})
    (verdict,) = ruled(case(hosts=("web1",), tier=missing), policy=policy)
    assert verdict.ruling is Ruling.REFUSE
    assert f"no rule for {missing}" in verdict.reason


def test_any_change_of_the_data_is_another_version_of_the_policy() -> None:
    changed: list[dict[str, Any]] = [
        {"budgets": {"Block": 99}},
        {"protected": (INTERNAL,)},
        {"assets": (WEB1, WEB2)},
        {"largest_batch": 3},
        {"execute_within": timedelta(minutes=1)},
        {"tiers": TierRules(narrow_v4=31)},
        {"tiers": TierRules(needs={Tier.T0: Needs(people=0, stepped_up=0)})},
    ]
    versions = {POLICY.model_copy(update=one).version for one in changed} | {POLICY.version}
    assert len(versions) == len(changed) + 1


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0/0", "::/0",  # 49
        "10.0.0.1/8", "10.0.0.0/8", "8.0.0.0/7", "2000::/3",  # 50
        "127.0.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1",  # 51
        "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::",  # 52
        "010.0.0.1", "0x7f.1", "2130706433", "１.2.3.4", "1.2.3.4\n",  # 53
        "203.0.113.1", "203.0.113.0/30",  # 54: our gateway
    ],
)  # fmt: skip
def test_bad_target_49_to_54_is_refused_before_anybody_is_asked(text: str) -> None:
    try:
        action = Block.model_validate({"network": text})
    except ValidationError:
        return  # not an address at all
    (verdict,) = ruled(case(touches=action.touches()))
    assert verdict.ruling is Ruling.REFUSE
    assert verdict.reason


@pytest.mark.parametrize("host", ["web9", "i-0abc", "WEB1", "web1 ", "-oProxyCommand=x", "web1;id"])
def test_bad_target_55_a_host_that_is_not_in_the_inventory_is_refused(host: str) -> None:
    action = Isolate(host=host)
    (verdict,) = ruled(case(touches=action.touches(), kind="Isolate", tier=Tier.T2))
    assert verdict.ruling is Ruling.REFUSE
    assert "is not in the inventory" in verdict.reason


def test_bad_target_56_an_address_that_has_become_ours_is_refused() -> None:
    """An address that was an attacker's when the alert came, and is a host of ours by now."""
    late = Asset(name="web3", networks=(parse_network("203.0.113.7"),))
    policy = POLICY.model_copy(update={"assets": (*POLICY.assets, late)})
    (verdict,) = ruled(case("203.0.113.7"), policy=policy)
    assert verdict.reason == "203.0.113.7/32 is ours (web3); isolate web3 instead"


def _protected() -> list[IPv4Network]:
    things: tuple[Protected, ...] = POLICY.protected
    ours = [n for thing in things for n in thing.networks] + [
        n for a in POLICY.assets for n in a.networks
    ]
    never = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"]
    return [n for n in ours if isinstance(n, IPv4Network)] + [IPv4Network(n) for n in never]


def _hostile(random_: random.Random, count: int) -> Iterator[tuple[Network, bool]]:
    """Networks near and far from what is protected, spelled in every way; whether they touch it."""
    protected = _protected()
    for _ in range(count):
        if random_.random() < 0.6:
            near = random_.choice(protected)
            start = int(near.network_address) + random_.choice([-1, 0, 1, near.num_addresses])
        else:
            start = random_.getrandbits(32)
        plain = IPv4Network(
            (start % 2**32, random_.choice([8, 16, 24, 28, 30, 31, 32])), strict=False
        )
        touches = any(plain.overlaps(one) for one in protected)
        way = random_.choice(["plain", *WAYS])
        if way == "plain":
            yield plain, touches
        elif way == "6to4" and random_.random() < 0.5:  # one host behind a 6to4 router
            router = int(in_ipv6(plain, way).network_address)
            inner = IPv6Network((router | random_.getrandbits(80), 128))
            first = IPv4Network(plain.network_address)
            yield inner, any(first.overlaps(one) for one in protected)
        else:
            yield in_ipv6(plain, way, random_.getrandbits(64)), touches


def test_no_plan_of_ten_thousand_ever_touches_what_is_protected() -> None:
    random_ = random.Random(20260304)
    budget = POLICY.model_copy(update={"budgets": {}})
    seen = {True: 0, False: 0}
    for network, touches in _hostile(random_, 10_000):
        (verdict,) = ruled(case(touches=Indicators(networks=(network,))), policy=budget)
        seen[touches] += 1
        if touches:
            assert verdict.ruling is Ruling.REFUSE, network
    assert min(seen.values()) > 2_000
