from pathlib import Path

import pytest
from sqlalchemy import update

from responder.approval.decision import Judgement, Signed
from responder.errors import ConfigurationError, Refused
from responder.incident import Priority
from responder.people.approver_rights import About, ApproverRule
from responder.people.permissions import DEFAULT_TABLE
from responder.people.person import Directory, Person, Role
from responder.policy.tiers import Tier
from responder.settings import read_settings
from responder.store import Store
from responder.store.tables import incidents
from tests.approval.desk import DIGEST, Asked
from tests.databases import ManualClock

LEAK = About("T2", "data_leak", "P2")
SECURITY = ApproverRule(teams=("Security Team",), categories=("data_leak",))


def ana(*rules: ApproverRule, teams: tuple[str, ...] = ("Operations",)) -> Person:
    person = Person(name="ana", roles=(Role.OPERATOR,), teams=teams)
    return person.under(DEFAULT_TABLE, rules)


def test_without_rules_everybody_who_may_decide_may_approve() -> None:
    assert ana().may_not_approve(LEAK) is None


def test_a_rule_keeps_its_asks_for_its_teams() -> None:
    said = ana(SECURITY).may_not_approve(LEAK)

    assert said == "asks like this one (T2 P2 data_leak) are approved by Security Team only"
    assert ana(SECURITY, teams=("Security Team",)).may_not_approve(LEAK) is None
    assert ana(SECURITY).may_not_approve(About("T2", "malware", "P2")) is None


@pytest.mark.parametrize(
    ("rule", "speaks"),
    [
        (ApproverRule(teams=("x",)), True),
        (ApproverRule(teams=("x",), tiers=(Tier.T2,)), True),
        (ApproverRule(teams=("x",), tiers=(Tier.T3,)), False),
        (ApproverRule(teams=("x",), priorities=(Priority.P1, Priority.P2)), True),
        (ApproverRule(teams=("x",), priorities=(Priority.P1,)), False),
        (ApproverRule(teams=("x",), tiers=(Tier.T2,), categories=("malware",)), False),
        (ApproverRule(teams=("x",), tiers=(Tier.T2,), categories=("data_leak",)), True),
    ],
)
def test_a_rule_speaks_about_what_all_its_lists_name(rule: ApproverRule, speaks: bool) -> None:
    assert rule.speaks_about(LEAK) is speaks


def test_every_rule_that_speaks_must_be_met() -> None:
    both = (SECURITY, ApproverRule(teams=("Platform",), tiers=(Tier.T2,)))

    assert ana(*both, teams=("Security Team",)).may_not_approve(LEAK)
    assert ana(*both, teams=("Platform",)).may_not_approve(LEAK)
    assert ana(*both, teams=("Platform", "Security Team")).may_not_approve(LEAK) is None


def test_what_is_not_known_of_an_ask_counts_against_who_approves() -> None:
    assert ana(SECURITY).may_not_approve(About("T2"))
    assert ana(SECURITY).may_not_approve(About.of({"tier": "T2"}))


@pytest.fixture
def database() -> str:
    return "sqlite"


@pytest.fixture
def asked(store: Store, clock: ManualClock) -> Asked:
    return Asked(store, clock)


async def test_an_approval_from_another_team_is_refused_and_a_denial_is_not(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asked.enrol("ana")
    ask = await asked.ask()
    monkeypatch.setitem(desk_people(), "ana", ana(SECURITY))

    with pytest.raises(Refused, match="approved by Security Team only; ana is in Operations"):
        await asked.decide(ask, "ana")
    assert await asked.states() == {ask: ("open", 0)}

    await asked.decide(ask, "ana", approve=False)
    assert await asked.states() == {ask: ("denied", 1)}


async def test_the_rules_go_by_the_incident_as_it_is_when_somebody_decides(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asked.enrol("ana")
    ask = await asked.ask()
    rule = ApproverRule(teams=("CISO",), priorities=(Priority.P1,))
    monkeypatch.setitem(desk_people(), "ana", ana(rule))
    async with asked.store.transaction() as tx:
        await tx.execute(update(incidents).values(priority="P1"))

    with pytest.raises(Refused, match="approved by CISO only"):
        await asked.decide(ask, "ana")


async def test_a_worker_does_not_count_an_approval_from_another_team(asked: Asked) -> None:
    await asked.enrol("ana")
    await asked.ask()
    row = dict(await asked.decide("a1", "ana"))
    signed = [Signed.model_validate(one) for one in await kept(asked)]

    def said(*rules: ApproverRule, about: About | None = LEAK) -> str | None:
        people = Directory(
            [Person(name="ana", roles=(Role.OPERATOR,), teams=("Operations",))], approvers=rules
        )
        return Judgement(asked.signer.verifier, people).objection(
            row, signed, digest=DIGEST, now=asked.clock.now, begun=False, about=about
        )

    assert said() is None
    assert said(SECURITY) == "0 of 1 people needed have approved"
    assert said(SECURITY, about=None) == "0 of 1 people needed have approved"
    assert said(ApproverRule(teams=("Operations",))) is None


async def kept(asked: Asked) -> list[dict[str, object]]:
    from sqlalchemy import select  # noqa: PLC0415 - beside its one use

    from responder.store.tables import decisions  # noqa: PLC0415

    columns = (decisions.c.document, decisions.c.signature, decisions.c.revoked)
    async with asked.store.reading() as tx:
        return [dict(one) for one in (await tx.execute(select(*columns))).mappings()]


def desk_people() -> dict[str, Person]:
    from tests.approval import desk  # noqa: PLC0415 - its people are swapped in a test

    return desk.PEOPLE


def test_a_rule_that_nobody_can_meet_is_a_fault_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "responder.yaml"
    file.write_text(
        "people: [{name: vic, teams: [CISO]}, {name: ana, roles: [operator], teams: [Ops]}]\n"
        "approvers: [{teams: [Ops]}, {teams: [CISO], tiers: [T3]}]"
    )
    monkeypatch.setenv("RESPONDER_CONFIG", str(file))

    with pytest.raises(ConfigurationError, match=r"approvers\.1: nobody in CISO may decide asks"):
        read_settings()
