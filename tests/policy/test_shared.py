from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from responder.incident import Indicators, Priority
from responder.policy.judge import Case, Policy, Verdict, judge
from responder.policy.networks import parse_network
from responder.policy.shared import Shared, SharedKind, shortened
from responder.policy.tiers import Ruling, Tier

HOUR = timedelta(hours=1)
CDN = Shared(
    name="example cdn",
    kind=SharedKind.CDN,
    networks=(parse_network("203.0.113.0/26"), parse_network("2001:db8:cd::/48")),
    shorten_to=HOUR,
)
TOR = Shared(
    name="tor exits", kind=SharedKind.TOR, networks=(parse_network("203.0.113.99"),),
    shorten_to=timedelta(minutes=30),
)  # fmt: skip
CARRIER = Shared(
    name="mobile carrier", kind=SharedKind.CGNAT, networks=(parse_network("203.0.113.128/25"),)
)
PARTNER = Shared(
    name="example partner", kind=SharedKind.PARTNER, networks=(parse_network("203.0.113.64/28"),)
)
LISTS = (CDN, TOR, CARRIER, PARTNER)


def ruled(network: str, *, lasts: timedelta | None = HOUR, **more: Any) -> Verdict:
    touches = Indicators(networks=(parse_network(network),))
    case = Case(
        kind="Block", summary="it", tier=Tier.T1, lasts=lasts, reversible=True, touches=touches
    ).model_copy(update=more)
    (verdict,) = judge(
        Policy(shared=LISTS), [case], priority=Priority.P2, indicators=touches, used={}
    )
    return verdict


@pytest.mark.parametrize("network", ["203.0.113.7", "2001:db8:cd::7", "::ffff:203.0.113.7"])
def test_a_short_block_of_a_shared_address_needs_nobody_and_says_why_it_is_short(
    network: str,
) -> None:
    verdict = ruled(network)
    assert (verdict.ruling, verdict.tier) == (Ruling.ALLOW, Tier.T1)
    assert "is shared (cdn: example cdn), so it is held for 1 h only" in verdict.reason


@pytest.mark.parametrize("lasts", [timedelta(hours=24), None])
def test_what_was_not_shortened_is_asked_for(lasts: timedelta | None) -> None:
    verdict = ruled("203.0.113.7", lasts=lasts)
    assert (verdict.ruling, verdict.tier) == (Ruling.ASK, Tier.T2)
    assert "would be held longer than 1 h" in verdict.reason


@pytest.mark.parametrize(
    ("network", "named"),
    [
        ("203.0.113.200", "cgnat: mobile carrier"),
        ("203.0.113.70", "partner: example partner"),
        ("203.0.113.64/30", "partner: example partner"),
        ("64:ff9b::203.0.113.70", "partner: example partner"),
    ],
)
def test_a_list_without_a_length_asks_a_person_and_is_named(network: str, named: str) -> None:
    verdict = ruled(network)
    assert (verdict.ruling, verdict.tier) == (Ruling.ASK, Tier.T2)
    if "/" not in network:
        assert named in verdict.reason


def test_a_wide_block_around_a_shared_address_is_touched_as_well() -> None:
    assert shortened(HOUR, [parse_network("203.0.113.96/29")], LISTS) == timedelta(minutes=30)
    assert ruled("203.0.113.64/27").tier is Tier.T3, "what asks for more is not lowered"


@pytest.mark.parametrize("network", ["198.51.100.7", "203.0.113.100"])
def test_everybody_else_is_ruled_on_as_before(network: str) -> None:
    verdict = ruled(network, lasts=timedelta(hours=24))
    assert (verdict.ruling, verdict.reason) == (Ruling.ALLOW, "T1 is allowed at P2")


def test_reading_asks_nobody() -> None:
    assert ruled("203.0.113.70", tier=Tier.T0).ruling is Ruling.ALLOW


def test_a_partner_s_networks_cannot_be_set_to_be_shortened() -> None:
    with pytest.raises(ValidationError, match="always asked for"):
        Shared(name="p", kind=SharedKind.PARTNER, networks=PARTNER.networks, shorten_to=HOUR)


@pytest.mark.parametrize(
    ("lasts", "network", "held"),
    [
        (timedelta(hours=24), "203.0.113.7", HOUR),
        (timedelta(minutes=5), "203.0.113.7", timedelta(minutes=5)),
        (None, "203.0.113.7", HOUR),
        (timedelta(hours=24), "203.0.113.200", timedelta(hours=24)),
        (None, "198.51.100.7", None),
    ],
)
def test_the_shorter_of_what_is_wanted_and_allowed_is_held(
    lasts: timedelta | None, network: str, held: timedelta | None
) -> None:
    assert shortened(lasts, [parse_network(network)], LISTS) == held
