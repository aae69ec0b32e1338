"""What the tests of Slack's wire share: a store with incidents, the double, and a keeper of cards."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest_asyncio
from sqlalchemy import insert, select, update

from responder.slack.cards_kept import Keeper
from responder.slack.client import Slack
from responder.slack.settings import SlackSettings
from responder.store import Store
from responder.store.chat import cards
from responder.store.rows import Row
from responder.store.tables import clocks, incidents
from responder.verbs.asking import bump
from responder.verbs.telling import tell
from tests.databases import ManualClock
from tests.slack_double import Slack as Double


class Untimed(Slack):
    """Slack's client without waiting for turns: how they are kept is tested apart."""

    def __init__(self, settings: SlackSettings) -> None:
        super().__init__(settings)
        self.pace._clock = lambda: self.at
        self.at = 0.0


@dataclass
class Wire:
    """One keeper on one store, speaking to the double."""

    store: Store
    clock: ManualClock
    double: Double
    more: dict[str, Any] = field(default_factory=dict)
    slack: Untimed = field(init=False)
    keeper: Keeper = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new process: what it knew is gone, what the store knows is not."""
        settings = SlackSettings.model_validate(self.double.settings(**self.more))
        self.slack = Untimed(settings)
        self.keeper = Keeper(self.store, self.slack, "http://localhost:8080")

    async def open(self, name: str = "INC-1", priority: str = "P2") -> None:
        """An incident as intake leaves it."""
        now = self.store.now()
        row = {
            "id": name, "title": f"Somebody tries passwords <b>&{name}", "priority": priority,
            "category": "credential_stuffing", "subject": "203.0.113.7", "began": now, "opened": now,
            "indicators": {"networks": ["203.0.113.7/32"], "hosts": [], "accounts": []},
            "revision": 1, "seen_revision": 0, "status": "new", "breached": False,
        }  # fmt: skip
        due = now + timedelta(minutes=30)
        async with self.store.transaction() as tx:
            await tx.execute(insert(incidents).values(row))
            clock = {"incident": name, "clock": "contain", "started": now, "due": due}
            await tx.execute(insert(clocks).values(clock))

    async def change(self, name: str = "INC-1", **values: Any) -> None:
        """Something about an incident changes."""
        async with self.store.transaction() as tx:
            if values:
                await tx.execute(update(incidents).where(incidents.c.id == name).values(values))
            await bump(tx, name)

    async def alarm(self, key: str, subject: str, name: str | None = "INC-1") -> None:
        """Something needs a person."""
        async with self.store.transaction() as tx:
            await tell(tx, self.store.now(), key=key, audience="approvers", subject=subject,
                       incident=name, loud=True)  # fmt: skip

    async def keep(self, rounds: int = 12) -> int:
        """Rounds of the keeper until there is nothing more to show; time passes for the pace only."""
        done = 0
        for _ in range(rounds):
            self.slack.at += 10
            self.keeper._probe_at = 0.0
            for channel in self.double.channels.values():
                channel.tokens = 3
            more = await self.keeper.once()
            done += more
            if not more:
                break
        return done

    async def rows(self, part: str = "card") -> list[Row]:
        """What the store knows of what is shown."""
        async with self.store.reading() as tx:
            query = select(cards).where(cards.c.part == part).order_by(cards.c.made, cards.c.id)
            return list((await tx.execute(query)).mappings())

    def called(self, method: str) -> int:
        """How often Slack did something."""
        return sum(name == method for name, _ in self.double.calls)


@pytest_asyncio.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as found:
        yield found


@pytest_asyncio.fixture
async def wire(store: Store, clock: ManualClock, double: Double) -> AsyncIterator[Wire]:
    made = Wire(store, clock, double)
    yield made
    await made.slack.close()
