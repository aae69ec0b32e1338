"""What whoever writes the settings approves in advance, and what that never covers."""

from ipaddress import ip_network
from typing import Any

import pytest

from responder.incident import Indicators, Priority
from responder.policy.judge import Case, Policy, judge
from responder.policy.tiers import Ruling, Tier
from responder.rotation import KeyRotation, ManagedKey

KEY = ManagedKey.model_validate(
    {"name": "jwt-signing-key", "type": "rsa", "size": 2048, "retention_period": "90d"}
)
OUTSIDE = ip_network("203.0.113.7")
ROTATION = KeyRotation(keys=(KEY,))


def ruling(
    kind: str = "PromoteKeyVersion",
    *,
    touches: Indicators | None = None,
    named: tuple[str, ...] = ("jwt-signing-key",),
    rotation: KeyRotation = ROTATION,
    used: int = 0,
) -> Ruling:
    touched = Indicators(accounts=("jwt-signing-key",)) if touches is None else touches
    facts: dict[str, Any] = {"kind": kind, "summary": kind, "tier": Tier.T2, "lasts": None}
    case = Case(**facts, reversible=False, touches=touched)
    policy = Policy(standing=rotation.standing, budgets={"PromoteKeyVersion": 3})
    [verdict] = judge(
        policy,
        [case],
        priority=Priority.P4,
        indicators=Indicators(accounts=named, networks=touched.networks, hosts=touched.hosts),
        used={kind: used},
    )
    return verdict.ruling


@pytest.mark.parametrize("kind", ["AddKeyVersion", "PromoteKeyVersion", "DestroyKeyVersion"])
def test_planned_steps_of_a_key_in_the_settings_are_not_asked(kind: str) -> None:
    assert ruling(kind) is Ruling.ALLOW


def test_an_emergency_is_always_asked() -> None:
    assert ruling("RevokeKeyVersion") is Ruling.ASK


def test_the_settings_can_have_every_step_asked() -> None:
    assert ruling(rotation=KeyRotation(keys=(KEY,), approval="ask")) is Ruling.ASK


def test_another_key_or_more_than_the_key_is_asked() -> None:
    assert ruling(touches=Indicators(accounts=("other",)), named=("other",)) is Ruling.ASK
    named = ("jwt-signing-key",)
    both = Indicators(accounts=("jwt-signing-key", "other"))
    assert ruling(touches=both, named=both.accounts) is Ruling.ASK
    assert ruling(touches=Indicators()) is Ruling.ASK
    assert ruling(touches=Indicators(accounts=named, networks=(OUTSIDE,))) is Ruling.ASK


def test_a_key_that_no_alert_of_the_incident_names_is_asked() -> None:
    assert ruling(named=()) is Ruling.ASK


def test_a_budget_that_is_used_up_refuses_what_is_approved_in_advance_too() -> None:
    assert ruling(used=3) is Ruling.REFUSE
