"""A message reaches who is on call; a level that reaches nobody is skipped, and never silently."""

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from responder.errors import ConfigurationError, Refused
from responder.incident import Priority
from responder.notify.mail import MailSender
from responder.notify.routing import Routing
from responder.notify.settings import Mail, Notify, Webhook
from responder.outbox import Outbox
from responder.people.oncall import OnCall, Roster
from responder.people.person import Directory, Person, Role
from responder.people.preflight import gaps, refuse_gaps
from responder.people.reach import Reach
from responder.people.standing_in import StandingIn, in_force, stand_in, withdraw
from responder.policy.sla import MATRIX
from responder.store import Store
from responder.store.tables import messages
from responder.verbs.telling import tell
from tests.databases import ManualClock, on_both
from tests.notify.test_outbox import Line

NOW = datetime(2026, 1, 6, 12, tzinfo=UTC)
ANA = Person(name="ana", roles=(Role.OPERATOR,), teams=("Security Team",), email="ana@example.com")
BEN = Person(name="ben", roles=(Role.OPERATOR,), teams=("security team",), email="ben@example.com")
CYD = Person(name="cyd", roles=(Role.ADMIN,), teams=("CISO",), email="cyd@example.com")
GONE = Person(name="gone", teams=("Operations", "Security Team"), active=False)
PEOPLE = Directory([ANA, BEN, CYD, GONE])
SECOPS = Roster(name="secops", team="Security Team", people=("ana", "ben"), began=date(2026, 1, 5))
MAIL = Mail(host="mail.example.com", sender="responder@example.com")
HOOK = Webhook(url="https://chat.example.com/in", secret=SecretStr("c2VjcmV0"))


class Pigeon(Line, MailSender):
    """A channel that needs an address of each person, as mail does."""


def reach(*rosters: Roster, **more: object) -> Reach:
    return Reach(PEOPLE, OnCall.model_validate({"rosters": rosters, **more}), MATRIX)


def names(reach: Reach, audience: str, at: datetime = NOW) -> list[str]:
    return [one.name for one in reach.of(audience, at).people]


@pytest.mark.parametrize(
    ("audience", "people"),
    [
        ("ana", ["ana"]),
        ("gone", []),
        ("Security Team", ["ana"]),  # whose turn it is
        ("security", ["ana"]),
        ("CISO", ["cyd"]),  # no roster: the whole team
        ("Operations", []),
        ("approvers", ["ana", "ben", "cyd"]),
        ("administrators", ["cyd"]),
        ("escalation", ["ana", "cyd"]),
        ("nobody we know", []),
    ],
)
def test_an_audience_is_the_people_on_call(audience: str, people: list[str]) -> None:
    assert names(reach(SECOPS), audience) == people


def test_without_rosters_a_team_is_reached_as_a_whole() -> None:
    assert names(reach(), "security") == ["ana", "ben"]


def test_a_team_with_nobody_on_call_is_told_as_a_whole_and_that_is_said() -> None:
    late = SECOPS.model_copy(update={"began": date(2027, 1, 4)})
    reached = reach(late).of("Security Team", NOW)
    assert [one.name for one in reached.people] == ["ana", "ben"]
    assert reached.said == "nobody is on call for Security Team: all of it is told"


def test_preflight_names_every_level_that_is_not_reached_by_two_channels_and_from_when() -> None:
    two = Notify(channels={"chat": HOOK})
    ready = reach(SECOPS)
    found = [str(gap) for gap in gaps(ready, Routing(two, MAIL, ready), NOW)]
    assert found == [
        "Operations (P3) from 2026-01-06 12:00 UTC: there is nobody in it",
        "Team Lead (P4) from 2026-01-06 12:00 UTC: there is nobody in it",
    ]
    mail_only = [str(gap) for gap in gaps(ready, Routing(Notify(), MAIL, ready), NOW)]
    assert mail_only[0] == (
        "Security Team (P1, P2) from 2026-01-06 12:00 UTC: expected somebody reached by 2 channels, "
        "found ana by mail"
    )


def test_preflight_looks_at_the_turns_to_come() -> None:
    two = Notify(channels={"chat": HOOK})
    with_gone = SECOPS.model_copy(update={"people": ("ana", "gone")})
    ready = reach(with_gone)
    found = {gap.level: gap for gap in gaps(ready, Routing(two, MAIL, ready), NOW)}
    assert found["Security Team"].since == datetime(2026, 1, 12, 9, tzinfo=UTC)
    assert found["Security Team"].found == "nobody is on call for Security Team: all of it is told"


def test_serve_does_not_start_on_a_chain_that_reaches_nobody_unless_told_to() -> None:
    ready = reach(SECOPS)
    with pytest.raises(ConfigurationError) as refused:
        refuse_gaps(ready, Routing(Notify(), MAIL, ready), NOW)
    assert len(refused.value.faults) == 5  # ana's turn and ben's, CISO, Operations, Team Lead
    for lenient in (reach(SECOPS, refuse=False), reach()):
        refuse_gaps(lenient, Routing(Notify(), MAIL, lenient), NOW)


@on_both
async def test_standing_in_is_kept_audited_and_withdrawn(store: Store, clock: ManualClock) -> None:
    oncall = OnCall(rosters=(SECOPS,))
    wanted = StandingIn(
        roster="secops", person="ben", start=clock.now, end=clock.now + timedelta(hours=12)
    )
    made = await stand_in(store, oncall, PEOPLE, ANA, wanted)
    async with store.reading() as tx:
        assert [one.person for one in await in_force(tx, clock.now)] == ["ben"]
    await withdraw(store, ANA, made.id)
    with pytest.raises(Refused, match="nobody stands in by"):
        await withdraw(store, ANA, made.id)
    async with store.reading() as tx:
        assert await in_force(tx, clock.now) == []
    for fault, said in (
        ({"roster": "night"}, "there is no roster night; known: secops"),
        ({"person": "gone"}, "gone is no active person"),
        ({"end": clock.now}, "expected an end after"),
    ):
        with pytest.raises(Refused, match=said):
            await stand_in(store, oncall, PEOPLE, ANA, wanted.model_copy(update=fault))


@pytest.mark.parametrize("database", ["sqlite"])
async def test_what_must_not_wait_goes_further_up_at_once_when_its_level_reaches_nobody(
    store: Store, clock: ManualClock
) -> None:
    ready = reach(SECOPS)
    routing = Routing(Notify(), MAIL, ready)
    line = Pigeon()
    routing.senders = {"pigeon": line}
    outbox = Outbox(store, routing)
    async with store.transaction() as tx:
        await tell(
            tx, clock.now, key="breach/1", audience="Operations", subject="P3: late", loud=True
        )
        await tell(tx, clock.now, key="quiet", audience="Operations", subject="P3: fyi")
    while await outbox.once():
        pass
    assert [to for _, to in line.sent] == [("ana@example.com", "cyd@example.com")]
    async with store.reading() as tx:
        rows = (await tx.execute(select(messages).order_by(messages.c.id))).mappings().all()
    assert [row["audience"] for row in rows] == ["Operations", "Operations", "escalation"]
    assert "Operations reaches nobody" in rows[2]["body"]
    assert Priority.P3 in ready.levels()["Operations"]


@pytest.mark.parametrize("database", ["sqlite"])
async def test_mail_goes_to_who_stands_in(store: Store, clock: ManualClock) -> None:
    ready = reach(SECOPS)
    routing = Routing(Notify(), MAIL, ready)
    line = Pigeon()
    routing.senders = {"pigeon": line}
    outbox = Outbox(store, routing)
    start, end = clock.now, clock.now + timedelta(hours=1)
    wanted = StandingIn(roster="secops", person="cyd", start=start, end=end)
    await stand_in(store, ready.oncall, PEOPLE, ANA, wanted)
    for key in ("a", "b"):
        async with store.transaction() as tx:
            await tell(tx, clock.now, key=key, audience="security", subject="s", loud=True)
        await outbox.once()
        clock.advance(hours=2)
    assert line.sent[0][1] == ("cyd@example.com",)
    assert line.sent[1][1] in {("ana@example.com",), ("ben@example.com",)}
