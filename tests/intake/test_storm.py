"""Five hundred alerts of one incident page once; one that is worse than was known pages again."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from playbooks import PLAYBOOKS
from responder.incident import Alert, Priority, Severity
from responder.intake.opening import Openings
from responder.policy.judge import Policy
from responder.policy.networks import parse_network
from responder.policy.sla import Clock
from responder.store import Store
from responder.store.tables import clocks, deliveries, incidents, messages
from responder.triage import Assessment, Triage
from responder.verbs.context import Kinds
from tests.databases import ManualClock

ATTACKER = "203.0.113.7"


class Storm:
    """Alerts about one subject, taken one after another as the drain does."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock, self.count = store, clock, 0
        self.openings = Openings(Triage(), Kinds.of((), (), PLAYBOOKS), Policy())

    async def take(self, priority: Priority, times: int = 1) -> None:
        async with self.store.transaction() as tx:
            for _ in range(times):
                self.count += 1
                row = {
                    "source": "wazuh", "delivery": str(self.count), "digest": "", "body": b"",
                    "received": self.clock.now, "state": "drained",
                }  # fmt: skip
                made = await tx.execute(insert(deliveries).values(row).returning(deliveries.c.id))
                alert = Alert(
                    id=str(self.count), source="wazuh", occurred=self.clock.now, title="Sign-ins fail",
                    severity=Severity.HIGH, networks=(parse_network(f"{ATTACKER}/32"),),
                )  # fmt: skip
                assessment = Assessment(
                    category="authentication_attack", priority=priority, subject=ATTACKER
                )
                delivery = row | {"id": made.scalar_one()}
                await self.openings.take(tx, delivery, alert, self.clock.now, "wazuh", assessment)

    async def loud(self) -> list[tuple[str, str]]:
        async with self.store.reading() as tx:
            query = select(messages.c.audience, messages.c.subject).where(messages.c.loud)
            return [
                (r.audience, r.subject) for r in (await tx.execute(query.order_by(messages.c.id)))
            ]


@pytest.fixture
def storm(store: Store, clock: ManualClock) -> Storm:
    """An empty store, and nothing yet."""
    return Storm(store, clock)


async def test_500_alerts_of_one_incident_page_once(storm: Storm) -> None:
    await storm.take(Priority.P1, times=500)
    [(audience, subject)] = await storm.loud()
    assert (audience, subject.split(":")[0].split()[0]) == ("security", "P1")
    async with storm.store.reading() as tx:
        assert len((await tx.execute(select(incidents))).all()) == 1


async def test_a_new_severity_pages_again_and_once_however_many_alerts_say_it(storm: Storm) -> None:
    await storm.take(Priority.P3, times=100)
    assert await storm.loud() == []
    storm.clock.advance(minutes=20)
    await storm.take(Priority.P1, times=100)
    await storm.take(Priority.P3, times=100)
    [(audience, subject)] = await storm.loud()
    assert audience == "Security Team"
    assert "was P3, is P1 now: Sign-ins fail" in subject
    async with storm.store.reading() as tx:
        row = (await tx.execute(select(incidents))).mappings().one()
        query = select(clocks.c.due).where(clocks.c.clock == Clock.CONTAIN)
        due = (await tx.execute(query)).scalar_one()
    assert (row["priority"], row["chain"]) == ("P1", ["Security Team", "CISO"])
    assert due <= row["opened"] + timedelta(minutes=15), "from the beginning, and past already"
    assert row["next_strike"] == storm.clock.now, "so it is looked at at once"
