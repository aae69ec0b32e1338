"""A message goes on until one of its channels took it, and every attempt leaves its receipt or its reason."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from responder.notify.message import Message, Undelivered
from responder.notify.routing import Routing
from responder.notify.settings import Mail, Notify, PagerDuty, Route, Webhook
from responder.outbox import Outbox
from responder.people.oncall import OnCall
from responder.people.person import Directory, Person
from responder.people.reach import Reach
from responder.policy.sla import MATRIX
from responder.store import Store
from responder.store.paging import sendings
from responder.store.tables import messages
from responder.verbs.telling import tell
from tests.databases import ManualClock, on_both

PEOPLE = Directory(
    [
        Person(name="ana", teams=("CISO",), email="ana@example.com"),
        Person(name="ben", teams=("Operations",)),
    ]
)
REACH = Reach(PEOPLE, OnCall(), MATRIX)
PAGER = PagerDuty(routing_key=SecretStr("R" * 32))
HOOK = Webhook(url="https://chat.example.com/in", secret=SecretStr("c2VjcmV0"))
MAIL = Mail(host="mail.example.com", sender="responder@example.com")


class Line:
    """A channel whose answers a test decides: a receipt, or why not."""

    def __init__(self) -> None:
        self.answers: list[str | Undelivered] = []
        self.sent: list[tuple[int, tuple[str, ...]]] = []

    async def send(self, message: Message, addresses: Sequence[str]) -> str:
        answer = self.answers.pop(0) if self.answers else "taken"
        if isinstance(answer, Undelivered):
            raise answer
        self.sent.append((message.id, tuple(addresses)))
        return answer


@pytest.fixture
def database() -> str:
    return "sqlite"


class Post:
    """An outbox with two lines."""

    def __init__(self, store: Store) -> None:
        self.store = store
        notify = Notify(
            channels={"pager": PAGER, "chat": HOOK},
            routes=(
                Route(audience="ciso", loud=True, channels=("pager", "chat")),
                Route(audience="*", channels=("chat",)),
            ),
        )
        self.pager, self.chat = Line(), Line()
        routing = Routing(notify, None, REACH)
        routing.senders = {"pager": self.pager, "chat": self.chat}
        self.outbox = Outbox(store, routing)

    async def say(self, key: str = "a", *, loud: bool = True, audience: str = "CISO") -> None:
        async with self.store.transaction() as tx:
            await tell(tx, self.store.now(), key=key, audience=audience, subject="words", loud=loud)

    async def attempts(self) -> list[tuple[str, int, str, str]]:
        async with self.store.reading() as tx:
            rows = (await tx.execute(select(sendings).order_by(sendings.c.channel))).all()
        return [(r.channel, r.attempts, r.receipt, r.said) for r in rows]

    async def unsent(self) -> int:
        async with self.store.reading() as tx:
            return len((await tx.execute(select(messages).where(messages.c.sent.is_(None)))).all())


@pytest.fixture
def post(store: Store) -> Post:
    return Post(store)


@on_both
async def test_a_line_that_does_not_take_it_hands_it_to_the_next_in_the_same_round(
    post: Post,
) -> None:
    await post.say()
    post.pager.answers.append(Undelivered("the pager is down"))
    assert await post.outbox.once() == 1
    assert await post.attempts() == [
        ("chat", 1, "taken", ""),
        ("pager", 1, "", "the pager is down"),
    ]
    assert [addresses for _, addresses in post.chat.sent] == [("ana@example.com",)]
    assert await post.unsent() == 0
    assert await post.outbox.once() == 0


async def test_when_no_line_takes_it_it_waits_and_is_tried_again_on_all(
    post: Post, clock: ManualClock
) -> None:
    await post.say()
    for line in (post.pager, post.chat):
        line.answers.append(Undelivered("down"))
    await post.outbox.once()
    assert (await post.unsent(), await post.outbox.once()) == (1, 0)
    clock.advance(seconds=6)
    assert await post.outbox.once() == 1
    assert (len(post.pager.sent), len(post.chat.sent), await post.unsent()) == (1, 0, 0)


async def test_a_line_that_asks_for_time_is_given_it_while_others_are_tried(
    post: Post, clock: ManualClock
) -> None:
    await post.say()
    post.pager.answers.append(Undelivered("too many", wait=120))
    post.chat.answers += [Undelivered("down")] * 3
    await post.outbox.once()
    for _ in range(2):
        clock.advance(seconds=30)
        await post.outbox.once()
    assert [(c, n) for c, n, _, _ in await post.attempts()] == [("chat", 3), ("pager", 1)]
    clock.advance(seconds=61)
    await post.outbox.once()
    assert len(post.pager.sent) == 1


async def test_the_waits_grow_to_five_minutes_and_no_message_is_ever_given_up(
    post: Post, clock: ManualClock
) -> None:
    await post.say(loud=False)
    post.chat.answers += [Undelivered("down")] * 200
    tried: list[timedelta] = []
    began = clock.now
    while clock.now - began < timedelta(hours=1):
        if await post.outbox.once():
            tried.append(clock.now - began)
        clock.advance(seconds=5)
    assert max(b - a for a, b in pairwise(tried)) == timedelta(minutes=5)
    assert tried[1] == timedelta(seconds=5)
    assert await post.unsent() == 1


async def test_a_crash_after_the_receipt_does_not_send_it_twice(post: Post) -> None:
    await post.say()
    await post.outbox.once()
    async with post.store.transaction() as tx:
        await tx.execute(messages.update().values(sent=None))
    await post.outbox.once()
    assert len(post.pager.sent) == 1
    assert await post.unsent() == 0


async def test_what_must_not_wait_goes_first(post: Post) -> None:
    for number in range(60):
        await post.say(f"quiet-{number}", loud=False)
    await post.say("loud")
    await post.outbox.once()
    assert len(post.pager.sent) == 1


async def test_without_channels_the_log_is_the_channel(store: Store) -> None:
    outbox = Outbox(store, Routing(Notify(), None, REACH))
    async with store.transaction() as tx:
        await tell(tx, store.now(), key="k", audience="CISO", subject="words")
    assert await outbox.once() == 1
    assert await outbox.once() == 0


def test_routes_choose_by_audience_and_loudness_and_mail_needs_an_address() -> None:
    notify = Notify(
        channels={"pager": PAGER},
        routes=(
            Route(audience="CISO", loud=True, channels=("pager", "mail")),
            Route(audience="*", channels=("mail",)),
        ),
    )
    routing = Routing(notify, MAIL, REACH)

    def channels(audience: str, *, loud: bool) -> tuple[str, ...]:
        at = datetime(2026, 11, 21, tzinfo=UTC)
        message = Message(
            id=1, key="k", incident=None, audience=audience, subject="s", body="", loud=loud, made=at
        )  # fmt: skip
        return routing.channels(message, routing.reached(audience, at).people)

    assert channels("CISO", loud=True) == ("pager", "mail")
    assert channels("CISO", loud=False) == ("mail",)
    assert channels("ana", loud=True) == ("mail",)
    assert channels("Operations", loud=True) == ()  # ben has no address


def test_a_route_to_no_channel_is_a_fault_of_the_settings() -> None:
    notify = Notify(channels={"mail": HOOK}, routes=(Route(channels=("smoke-signals",)),))
    assert notify.faults(MAIL) == [
        "notify.routes: smoke-signals is no channel; known: mail",
        "notify.channels: `mail` is described by the setting `mail` already",
    ]
