"""Push bombing: nobody is asked more often than they can read, and nothing is lost by it."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from responder.approval.fatigue import Asked as Told
from responder.approval.fatigue import catch_up, tell_approvers
from responder.approval.settings import ApprovalSettings
from responder.notify.message import Message
from responder.notify.routing import Routing
from responder.notify.settings import Mail, Notify
from responder.outbox import Outbox
from responder.people.oncall import OnCall, Roster
from responder.people.person import Directory, Person, Role
from responder.people.reach import Reach
from responder.policy.sla import MATRIX
from responder.store.noticing import unsaid
from responder.store.tables import asks, messages
from tests.approval.desk import Asked
from tests.databases import on_both

RULES = ApprovalSettings()
WITHIN = RULES.most_asks_within
ANA = Person(name="ana", roles=(Role.OPERATOR,), email="ana@example.com")
BEN = Person(name="ben", roles=(Role.OPERATOR,), email="ben@example.com")
BOSS = Person(name="root", roles=(Role.VIEWER,), teams=("CISO",), email="root@example.com")


class Mailbox:
    """A mail server that keeps what reached whom, and when; down while a test says so."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self.down = False
        self.got: list[tuple[str, datetime, Message]] = []

    async def send(self, message: Message, addresses: Sequence[str]) -> str:
        assert not self.down, "a test lets no outbox run while its server is down"
        self.got += [(to, self._asked.clock.now, message) for to in addresses]
        return "250 taken"

    def reached(self, who: str, prefix: str = "ask") -> list[datetime]:
        """When messages about asks reached *who*."""
        return [at for to, at, m in self.got if to.startswith(who) and m.key.startswith(prefix)]


class Bombing:
    """Asks at the people named, through the real outbox."""

    def __init__(self, asked: Asked, *people: Person) -> None:
        self.asked, self.people = asked, Directory(people)
        mail = Mail(host="mail.example.com", sender="responder@example.com")
        routing = Routing(Notify(), mail, Reach(self.people, OnCall(), MATRIX))
        self.mailbox = Mailbox(asked)
        routing.senders = {"mail": self.mailbox}
        self.outbox = Outbox(asked.store, routing)

    async def ask(self, name: str, **more: Any) -> tuple[str, ...]:
        """Open one more ask, and tell people of it; returns who is told."""
        await self.asked.ask(name, minutes=240)
        told = {
            "id": name, "incident": "IR-1", "priority": "P2", "requester": "playbook Containment",
            "people": 1, "subject": f"approve? {name}", "body": "Why: it says so", **more,
        }  # fmt: skip
        async with self.asked.store.transaction() as tx:
            return await tell_approvers(
                tx, self.people, RULES, Told.model_validate(told), self.asked.clock.now
            )

    async def send(self) -> None:
        """What the outbox does until nothing is left."""
        while await self.outbox.once():
            pass

    async def catch_up(self) -> int:
        async with self.asked.store.transaction() as tx:
            return await catch_up(tx, self.people, RULES, self.asked.clock.now)

    async def told(self, start: str) -> list[Any]:
        async with self.asked.store.reading() as tx:
            query = select(messages).where(messages.c.key.like(f"{start}%")).order_by(messages.c.id)
            return list((await tx.execute(query)).all())


def most_within(times: list[datetime]) -> int:
    """The most of *times* that lie in any one stretch of fifteen minutes."""
    return max((sum(0 <= (b - a).total_seconds() < WITHIN.total_seconds() for b in times)
                for a in times), default=0)  # fmt: skip


@on_both
async def test_of_fifty_asks_at_one_approver_three_reach_them_in_any_fifteen_minutes(
    asked: Asked,
) -> None:
    """An ask every twenty seconds; what is not told is escalated once, and told later as one."""
    bombing = Bombing(asked, ANA, BOSS)
    for number in range(50):
        await bombing.ask(f"a{number}")
        await bombing.catch_up()
        await bombing.send()
        asked.clock.advance(seconds=20)
    asked.clock.advance(minutes=15)
    await bombing.catch_up()
    await bombing.send()

    times = bombing.mailbox.reached("ana")
    assert most_within(times) == 3
    assert len(times) <= 3 * 3, "within a little more than half an hour"
    escalated = await bombing.told("unsaid/")
    assert [(m.audience, m.loud) for m in escalated] == [("escalation", True)] * len(escalated)
    assert 1 <= len(escalated) <= 2, "once for many"
    assert "3 times in 15 minutes at most" in escalated[0].body
    assert bombing.mailbox.reached("root", "unsaid/"), "who is escalated to hears of it"

    # Never lost: every ask is open, and every one was told of, alone or in a list, or escalated.
    assert {state for state, _ in (await asked.states()).values()} == {"open"}
    async with asked.store.reading() as tx:
        waiting = (await tx.execute(select(unsaid).where(unsaid.c.said.is_(None)))).all()
    assert waiting == []
    (late, *_) = await bombing.told("asks/")
    assert "asks wait that you were not told of" in late.subject


async def test_the_fourth_goes_to_the_next_who_may_decide(asked: Asked) -> None:
    bombing = Bombing(asked, ANA, BEN)
    for number in range(3):
        assert await bombing.ask(f"b{number}", requester="ben") == ("ana",)
    assert await bombing.ask("a9") == ("ben",)
    assert await bombing.told("unsaid/") == []
    await bombing.send()
    assert (len(bombing.mailbox.reached("ana")), len(bombing.mailbox.reached("ben"))) == (3, 1)


async def test_a_mail_server_that_comes_back_does_not_deliver_more_than_three_at_once(
    asked: Asked,
) -> None:
    """What waits to be delivered counts: the limit is on what reaches somebody, not on what is said."""
    bombing = Bombing(asked, ANA, BOSS)
    for number in range(20):  # the outbox does not get through for an hour and more
        await bombing.ask(f"a{number}")
        asked.clock.advance(minutes=5)
        await bombing.catch_up()
    await bombing.send()
    assert len(bombing.mailbox.reached("ana")) == 3


async def test_an_ask_that_too_few_are_told_of_for_its_quorum_is_escalated(asked: Asked) -> None:
    bombing = Bombing(asked, ANA, BOSS)
    assert await bombing.ask("a1", people=2) == ("ana",)
    (said,) = await bombing.told("unsaid/")
    assert "too few people may still be asked" in said.subject
    assert "responder approvals list" in said.body


async def test_a_higher_priority_is_escalated_by_itself(asked: Asked) -> None:
    bombing = Bombing(asked, ANA, BOSS)
    for number in range(8):
        await bombing.ask(f"a{number}", priority="P3")
    await bombing.ask("a8", priority="P1")
    said = [m.subject.split()[0] for m in await bombing.told("unsaid/")]
    assert said == ["P3", "P1"]


@pytest.mark.parametrize("who", ["gone", "vic", "ben"])
async def test_who_may_not_decide_it_is_not_asked(asked: Asked, who: str) -> None:
    others = {
        "gone": Person(name="gone", roles=(Role.ADMIN,), active=False, email="gone@example.com"),
        "vic": Person(name="vic", roles=(Role.VIEWER,), email="vic@example.com"),
        "ben": BEN,
    }
    bombing = Bombing(asked, ANA, others[who])
    assert await bombing.ask("a1", requester="ben") == ("ana",)


async def test_whoever_is_not_named_does_not_get_it_whatever_their_team(asked: Asked) -> None:
    team = ANA.model_copy(update={"teams": ("approvers",)})
    bombing = Bombing(asked, team, BEN.model_copy(update={"teams": ("approvers",)}))
    await bombing.ask("a1", requester="ben")
    await bombing.send()
    assert {to for to, _, _ in bombing.mailbox.got} == {"ana@example.com"}


async def test_room_comes_back_as_time_passes(asked: Asked) -> None:
    bombing = Bombing(asked, ANA, BOSS)
    for number in range(3):
        await bombing.ask(f"a{number}")
    await bombing.send()
    assert await bombing.ask("a3") == ()
    asked.clock.advance(seconds=WITHIN.total_seconds() + 1)
    assert await bombing.ask("a4") == ("ana",)


async def test_what_was_decided_meanwhile_is_not_told_later(asked: Asked) -> None:
    bombing = Bombing(asked, ANA, BOSS)
    for number in range(5):
        await bombing.ask(f"a{number}")
    await bombing.send()
    async with asked.store.transaction() as tx:
        await tx.execute(update(asks).where(asks.c.id == "a3").values(state="denied"))
    asked.clock.advance(minutes=16)
    assert await bombing.catch_up() == 1
    (late,) = await bombing.told("asks/")
    assert "a4" in late.body
    assert "a3" not in late.body
    assert late.addressees == ["ana"]
    assert await bombing.catch_up() == 0, "once"
    assert most_within([asked.clock.now - timedelta(minutes=20), asked.clock.now]) == 1


SECOPS = Roster(name="secops", team="security", people=("ana", "ben"), began=date(2026, 3, 2))


@pytest.mark.parametrize("database", ["sqlite"])
async def test_an_ask_reaches_who_is_on_call_and_others_only_where_more_are_needed(
    asked: Asked,
) -> None:
    bombing = Bombing(asked, ANA, BEN, BOSS)
    bombing.people = Directory((ANA, BEN, BOSS), oncall=OnCall(rosters=(SECOPS,)))
    assert await bombing.ask("one") == ("ana",)
    two = await bombing.ask("two", people=2)
    assert two[0] == "ana"
    assert len(two) == 2


@pytest.mark.parametrize("database", ["sqlite"])
async def test_an_ask_goes_to_the_next_when_who_is_on_call_has_had_enough(asked: Asked) -> None:
    bombing = Bombing(asked, ANA, BEN, BOSS)
    bombing.people = Directory((ANA, BEN, BOSS), oncall=OnCall(rosters=(SECOPS,)))
    told = [await bombing.ask(f"a{number}") for number in range(4)]
    assert told[:3] == [("ana",)] * 3
    assert len(told[3]) == 1
    assert told[3] != ("ana",)
