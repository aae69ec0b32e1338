"""The verbs on a world in memory: a store, a run of a playbook, and somebody who approves."""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert, select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import ACTIONS, LOOKUPS
from activities.block import Block
from activities.isolate import Isolate
from responder.approval.decision import Judgement
from responder.approval.lease_drawing import Wish
from responder.approval.leasing import Leasing, Proof
from responder.approval.service import Approvals, Verdict
from responder.approval.settings import ApprovalSettings
from responder.audit import Fault, verify
from responder.contract import Action, Request
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.errors import ActionError
from responder.incident import Indicators, Network
from responder.people.person import Directory, Person, Role
from responder.policy.availability import Asset
from responder.policy.judge import Policy
from responder.policy.networks import parse_network
from responder.policy.tiers import Needs, Tier, TierRules
from responder.store import Store
from responder.store.tables import asks, audit, holds, incidents, messages, resources, runs, steps
from responder.verbs.context import Context, Kinds
from responder.verbs.doing import Doing
from responder.verbs.lifting import lift
from responder.verbs.reporting import Reporting
from responder.verbs.sweeping import Sweep
from responder.verbs.warrants import Warrants
from responder.workflows.wire import Batch, Done, Lifted
from tests.databases import ManualClock
from tests.verbs.world import Point, World

ATTACKER = "203.0.113.7"
_ERRORS = {error.__name__: error for error in ActionError.__subclasses__()}
# No second factor: codes are tested with `approval`, where they are checked.
NEEDS = {
    Tier.T0: Needs(people=0, stepped_up=0), Tier.T1: Needs(people=0, stepped_up=0),
    Tier.T2: Needs(people=1, stepped_up=0), Tier.T3: Needs(people=2, stepped_up=0),
}  # fmt: skip
POLICY = Policy(
    tiers=TierRules(needs=NEEDS),
    assets=(
        Asset(name="web1", networks=(parse_network("198.51.100.10/32"),)),
        Asset(name="web2", networks=(parse_network("198.51.100.11/32"),)),
        Asset(name="db1", networks=(parse_network("198.51.100.20/32"),), protected=True),
    ),
)
PEOPLE = (
    Person(name="ana", roles=(Role.OPERATOR,)),
    Person(name="ben", roles=(Role.ADMIN,)),
    Person(name="vic", roles=(Role.VIEWER,)),
)


class Label(Action[str]):
    """An action whose state has more than two values."""

    tier: ClassVar[Tier] = Tier.T1

    thing: str
    value: str
    lasts: timedelta | None = timedelta(hours=1)

    def desired(self, before: str) -> str:
        return self.value

    def touches(self) -> Indicators:
        return Indicators()

    def __str__(self) -> str:
        return f"label {self.thing} {self.value}"


class Server:
    """What Temporal itself would know and be told."""

    def __init__(self) -> None:
        self.parents: dict[tuple[str, str], str] = {}
        self.leases: list[tuple[str, datetime | None]] = []

    async def started_by(self, workflow_id: str, run_id: str) -> str | None:
        return self.parents.get((workflow_id, run_id))

    async def tell(self, workflow_id: str) -> None:
        """Nobody is waiting here."""

    async def lease(self, resource: str, until: datetime | None, *, new: bool) -> None:
        self.leases.append((resource, until))


def block(address: str = ATTACKER, **lasts: float) -> Block:
    """Block one address, for an hour unless told otherwise."""
    return Block(network=parse_network(address), lasts=timedelta(**(lasts or {"hours": 1})))


def isolate(host: str = "web1", **lasts: float) -> Isolate:
    """Isolate one host, for an hour unless told otherwise."""
    return Isolate(host=host, lasts=timedelta(**(lasts or {"hours": 1})))


class Desk:
    """Where a test does, lifts, sweeps and approves, and asks what became of it."""

    def __init__(self, store: Store, clock: ManualClock, *, policy: Policy = POLICY) -> None:
        self.store, self.clock, self.policy = store, clock, policy
        self.fra, self.ams = Point("fra1", clock), Point("ams1", clock)
        self.world = World(self.fra, self.ams)
        self.tags = Point("tags", clock, expires_by_itself=False)
        self.world.others["Label"] = self.tags
        for host in ("web1", "web2", "db1"):
            self.world.hosts[host] = Point(host, clock, expires_by_itself=False)
        self.server = Server()
        self.signer = Signer(Ed25519PrivateKey.generate())
        self.warrants = Warrants(KeyRing.fresh())
        self.people = {person.name: person for person in PEOPLE}
        self.context = self.worker("worker-1")

    def worker(self, name: str) -> Context:
        """The context of one more worker on the same store and world."""
        return Context(
            store=self.store, kinds=Kinds.of((*ACTIONS, Label), LOOKUPS, ()), provision=self.world,
            policy=lambda: self.policy,
            judgement=Judgement(self.signer.verifier, Directory(self.people.values())),
            verifier=self.signer.verifier,
            temporal=self.server, warrants=self.warrants, worker=name, patience=timedelta(0),
        )  # fmt: skip

    async def open_run(
        self,
        incident: str = "IR-1",
        *,
        networks: Sequence[str] = (ATTACKER,),
        hosts: Sequence[str] = ("web1", "web2", "db1"),
        priority: str = "P2",
        number: int = 1,
    ) -> str:
        """An incident with one open run, bound to its workflow; returns the run's id."""
        nets: tuple[Network, ...] = tuple(parse_network(n) for n in networks)
        named = Indicators(networks=nets, hosts=tuple(hosts)).model_dump(mode="json")
        now, run = self.clock.now, f"{incident}/authentication-attack/{number}"
        async with self.store.transaction() as tx:
            if number == 1:
                await tx.execute(
                    insert(incidents).values(
                        id=incident,
                        open_key=incident,
                        title="Sign-ins fail",
                        priority=priority,
                        category="authentication_attack",
                        subject=ATTACKER,
                        began=now,
                        opened=now,
                        indicators=named,
                        revision=1,
                        status="open",
                    )
                )
            await tx.execute(
                insert(runs).values(
                    id=run,
                    incident=incident,
                    number=number,
                    playbook="AuthenticationAttack",
                    code="0" * 64,
                    indicators=named,
                    state="open",
                    opened=now,
                    bound=f"{run}@1",
                )
            )
        return run

    def calling(self, run: str, run_id: str = "") -> ActivityEnvironment:
        """An activity of the workflow *run*."""
        env = ActivityEnvironment()
        env.info = dataclasses.replace(
            env.info, workflow_id=run, workflow_run_id=run_id or f"{run}@1"
        )
        return env

    async def do(
        self,
        run: str,
        *actions: Action[Any],
        step: int = 1,
        context: Context | None = None,
        run_id: str = "",
    ) -> Done:
        """What the playbook's `do` does, once."""
        batch = Batch(step=step, actions=tuple(Request.of(action) for action in actions))
        return cast("Done", await self.run(run, Doing(context or self.context).do, batch, run_id))

    async def run(self, run: str, verb: Callable[..., Any], arg: object, run_id: str = "") -> Any:
        """Run one verb for *run*; its error is raised as a playbook would see it."""
        try:
            return await self.calling(run, run_id).run(verb, arg)
        except ApplicationError as error:
            raise _ERRORS[error.type or ""](error.message) from error

    async def lift(self, name: str, context: Context | None = None) -> Lifted:
        """One look of a lease."""
        return await lift(context or self.context, name)

    async def sweep(self) -> int:
        """One round of the sweep."""
        return await Sweep(self.context).once()

    def reporting(self) -> Reporting:
        """The verbs that only report."""
        return Reporting(self.context)

    def approvals(self) -> Approvals:
        """The approval service."""
        return Approvals(
            self.store, self.signer, KeyRing.fresh(), self.policy, "http://localhost:8080"
        )

    async def decide(self, ask: str | None, who: str = "ana", *, approve: bool = True) -> str:
        """One person's decision; returns the ask's state after it."""
        assert ask is not None
        row = await self.ask(ask)
        verdict = Verdict(approve=approve, digest=row.digest, number=row.number)
        decided = await self.approvals().decide(ask, self.people[who], verdict, method="test")
        return str(decided["state"])

    def leasing(self) -> Leasing:
        """Where leases are ended and extended by decisions."""
        return Leasing(
            self.store, self.signer, KeyRing.fresh(), self.policy, self.context.judgement.people,
            self.context.kinds, origin="http://127.0.0.1:8080", rules=ApprovalSettings(),
        )  # fmt: skip

    async def wish(self, wish: Wish, by: str = "ana", *, and_by: str = "ben") -> Any:
        """Somebody ends or extends leases; who is needed beside them approves it too."""
        leasing = self.leasing()
        ask = await leasing.request(wish, self.people[by], Proof(), method="test")
        if ask["state"] == "open" and and_by:
            verdict = Verdict(approve=True, digest=ask["digest"], number=ask["number"])
            ask = await self.approvals().decide(
                ask["id"], self.people[and_by], verdict, method="test"
            )
            async with self.store.transaction() as tx:
                await leasing.apply(tx, ask)
        return ask

    async def end(self, resource: str, by: str = "ana", *, incident: str | None = None) -> Any:
        """A person ends the holds on *resource*: all, or those of one incident."""
        return await self.wish(Wish(resource=resource, incident=incident), by)

    async def row(self, resource: str) -> Any:
        """The resource's row."""
        async with self.store.reading() as tx:
            return (await tx.execute(select(resources).where(resources.c.name == resource))).one()

    async def step(self, key: str) -> Any:
        """The step's row."""
        async with self.store.reading() as tx:
            return (await tx.execute(select(steps).where(steps.c.key == key))).one()

    async def ask(self, ask: str) -> Any:
        """The ask's row."""
        async with self.store.reading() as tx:
            return (await tx.execute(select(asks).where(asks.c.id == ask))).one()

    async def held(self) -> list[Any]:
        """Every hold there ever was."""
        async with self.store.reading() as tx:
            return list((await tx.execute(select(holds).order_by(holds.c.id))).all())

    async def messages(self, start: str = "") -> list[Any]:
        """The messages to people whose key begins like this."""
        async with self.store.reading() as tx:
            query = select(messages).where(messages.c.key.like(f"{start}%")).order_by(messages.c.id)
            return list((await tx.execute(query)).all())

    async def audited(self, *kinds: str) -> list[Any]:
        """The audit's entries of these kinds, in order; the chain is checked on the way."""
        assert await self.fault() is None
        async with self.store.reading() as tx:
            query = select(audit).order_by(audit.c.seq)
            rows = (await tx.execute(query)).all()
        return [row for row in rows if not kinds or row.kind in kinds]

    async def fault(self) -> Fault | None:
        """What is wrong with the audit."""
        return (await verify(self.store))[1]
