"""Somebody's Slack, with everything behind it real but Slack itself, which is the double, and Temporal."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyotp.totp import TOTP
from sqlalchemy import func, insert, select, update

from activities import ACTIONS, LOOKUPS
from responder.approval import totp
from responder.approval.leasing import Leasing
from responder.approval.service import Approvals
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.lease_delivery import LeaseDelivery
from responder.people.person import Directory, Person, Role, SlackUser
from responder.plan import Plan
from responder.policy.judge import Policy
from responder.policy.tiers import Needs, TierRules
from responder.settings import Settings
from responder.slack import reply
from responder.slack.dispatch import answer
from responder.slack.heard import Heard
from responder.slack.modals import acknowledgement
from responder.store import Store
from responder.store.rows import Row
from responder.store.tables import asks, audit, decisions, holds, incidents, resources, runs, steps
from responder.temporal import Link
from responder.verbs.context import Kinds
from tests.databases import ManualClock
from tests.slack.incidents import DEFAULT, RUN
from tests.slack.wire import Wire
from tests.slack_double import Slack as Double
from tests.slack_double import User
from tests.slack_double.double import Ack

NAME = "IR-42"
CHANNEL = "C0IR"


def slack_user(name: str) -> SlackUser:
    """Who somebody of the tests is in Slack."""
    return SlackUser(team="T0LAB", user=f"U0{name.upper()}")


PEOPLE = tuple(
    Person(name=name, roles=(role,), slack=slack_user(name), active=name != "gone")
    for name, role in (
        ("ana", Role.OPERATOR), ("ben", Role.ADMIN), ("cyd", Role.OPERATOR), ("vic", Role.VIEWER),
        ("gone", Role.ADMIN),
    )
)  # fmt: skip


class Told:
    """What would be told to workflows."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.leases: list[str] = []

    async def tell(self, run: str) -> None:
        self.runs.append(run)

    async def lease(self, resource: str, until: object, *, new: bool) -> None:
        self.leases.append(resource)


class Prompt(Double):
    """The double without its wires: what is done is heard at once, as the wires' own tests show it is."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.parts: Any = None
        self.work: list[asyncio.Task[None]] = []
        self.users["U0GONE"] = User("U0GONE", "gone")

    async def deliver(self, kind: str, payload: dict[str, Any]) -> Ack:
        heard = Heard.of(payload)
        assert heard is not None
        self.work.append(asyncio.create_task(answer(self.parts, heard)))
        ack = Ack(0.0, 200, acknowledgement(heard))
        self.acks.append(ack)
        return ack


class Desk:
    """An incident, its ask and its card in Slack, and the people who may or may not decide."""

    def __init__(self, store: Store, clock: ManualClock, double: Double) -> None:
        self.store, self.clock, self.double = store, clock, double
        self.wire = Wire(store, clock, double)
        self.ring, self.signer = KeyRing.fresh(), Signer(Ed25519PrivateKey.generate())
        self.told = Told()
        self.secrets: dict[str, str] = {}
        settings = Settings(people=PEOPLE, slack=self.wire.slack.settings)
        policy = Policy()
        origin = settings.api.origin
        kinds = Kinds.of(playbooks=(), actions=ACTIONS, lookups=LOOKUPS)
        people = Directory(PEOPLE)
        leasing = Leasing(store, self.signer, self.ring, policy, people, kinds, origin=origin,
                          rules=settings.approvals)  # fmt: skip
        self.parts: Any = SimpleNamespace(
            leasing=leasing, lease_delivery=LeaseDelivery(store, cast("Link", self.told), leasing),
            store=store, settings=settings, people=people, policy=policy, slack=self.wire.slack,
            signer=self.signer, deliveries=self.ring, link=self.told, ready={},
            kinds=kinds,
            approvals=Approvals(store, self.signer, self.ring, policy, origin),
        )  # fmt: skip
        if isinstance(double, Prompt):
            double.parts = self.parts
        reply.SETTLED_SECONDS = 0.05

    async def open(self, *, of: Plan = DEFAULT, needs: Needs | None = None, number: int | None = None,
                   name: str = NAME, ask: str = "a" * 16, priority: str = "P1") -> str:  # fmt: skip
        """An incident with an ask, and its card in the channel; returns the card's `ts`."""
        now = self.store.now()
        run = RUN.replace("IR-42", name)
        wanted = needs or TierRules().asked(of.tier)
        async with self.store.transaction() as tx:
            await tx.execute(insert(incidents).values(
                id=name, title="Possible C2 from web-3", priority=priority, category="ransomware", subject="web-3",
                began=now, opened=now, indicators={"networks": [], "hosts": ["web-3"], "accounts": []},
                revision=1, seen_revision=0, status="waiting for approval", breached=False,
            ))  # fmt: skip
            await tx.execute(insert(runs).values(
                id=run, incident=name, number=1, playbook="Ransomware", code="c" * 64, indicators={},
                state="open", opened=now, said="",
            ))  # fmt: skip
            await tx.execute(insert(steps).values(
                key=f"{run}/1", run=run, asked_for="", plan=of.model_dump(mode="json"), digest=of.digest,
                state="asked", planned=now, said="",
            ))  # fmt: skip
            await tx.execute(insert(asks).values(
                id=ask, step=f"{run}/1", incident=name, run=run, digest=of.digest,
                plan=of.model_dump(mode="json"), tier=of.tier, needs=wanted.model_dump(mode="json"),
                number=number, requester="playbook Ransomware", state="open", opened=now,
                expires=now + timedelta(minutes=15), delivered=False,
            ))  # fmt: skip
        await self.wire.keep()
        return self.card(name)

    async def hold(self, name: str = NAME) -> None:
        """Two live holds of the incident's run, of the heavier kind."""
        now = self.store.now()
        async with self.store.transaction() as tx:
            for point, change in (("hv1", DEFAULT.changes[0]), ("fra1", DEFAULT.changes[1])):
                resource = f"{change.request.kind.lower()}/{point}"
                await tx.execute(insert(resources).values(
                    name=resource, point=point, state="held", base_known=True, base=False, wanted=True,
                    outcome="verified", said="", verified=now, attempts=0,
                ))  # fmt: skip
                await tx.execute(insert(holds).values(
                    id=f"{RUN}/1/0/{point}", resource=resource, step=f"{RUN}/1", incident=name, run=RUN,
                    kind=change.request.kind, request=change.request.model_dump(mode="json"),
                    summary=change.summary, tier=change.tier, taken=now, until=now + timedelta(hours=4),
                ))  # fmt: skip
        await self.wire.change(name)
        await self.wire.keep()

    def card(self, name: str = NAME) -> str:
        """The `ts` of an incident's card."""
        return next(
            str(post["ts"]) for post in self.double.posts() if name in str(post["blocks"][0])
        )

    async def enrol(self, *names: str) -> None:
        """Give people an authenticator app."""
        for name in names:
            async with self.store.transaction() as tx:
                uri = await totp.enrol(tx, self.ring, name)
            self.secrets[name] = uri.partition("secret=")[2].partition("&")[0]

    def code(self, name: str) -> str:
        """The code of this moment."""
        return TOTP(self.secrets[name]).generate_otp(int(self.clock.now.timestamp()) // 30)

    async def click(self, name: str, action: str, ts: str = "", **more: Any) -> None:
        """Press a button of the card, and wait until it was answered."""
        await self.double.click(f"U0{name.upper()}", CHANNEL, ts or self.card(), action, **more)
        await self.settled()

    async def choose(self, name: str, words: str) -> None:
        """Choose from the card's menu."""
        menu = self.double.element(CHANNEL, self.card(), "more")["options"]
        number = next(n for n, one in enumerate(menu) if one["text"]["text"].startswith(words))
        await self.click(name, "more", option=number)

    async def command(self, name: str, text: str) -> None:
        """Type `/ir` and something."""
        await self.double.command(f"U0{name.upper()}", text)
        await self.settled()

    async def send(self, name: str, **typed: Any) -> None:
        """Send the open modal off."""
        await self.double.submit(f"U0{name.upper()}", self.modal(name)["id"], typed)
        await self.settled()

    async def settled(self) -> None:
        """Until everything was answered."""
        assert isinstance(self.double, Prompt)
        while self.double.work:
            await asyncio.gather(*self.double.work)
            self.double.work = [one for one in self.double.work if not one.done()]

    def modal(self, name: str) -> dict[str, Any]:
        """The modal that somebody has before them."""
        return [
            v for v in self.double.views.values() if v["user"] == f"U0{name.upper()}" and v["open"]
        ][-1]

    def shown(self, name: str) -> str:
        """All the words of the modal that somebody has before them."""
        return str(self.modal(name)["blocks"])

    @property
    def said(self) -> str:
        """The last thing that somebody was told alone."""
        return str((self.double.responses or self.double.private or [{}])[-1].get("text", ""))

    async def ask(self, name: str = "a" * 16) -> Row:
        """An ask as it is."""
        async with self.store.reading() as tx:
            return (await tx.execute(select(asks).where(asks.c.id == name))).mappings().one()

    async def count(self) -> int:
        """How many decisions are recorded."""
        async with self.store.reading() as tx:
            return int((await tx.execute(select(func.count(decisions.c.id)))).scalar_one())

    async def kinds(self) -> list[str]:
        """What the audit has, in order."""
        async with self.store.reading() as tx:
            return list((await tx.execute(select(audit.c.kind).order_by(audit.c.seq))).scalars())

    async def set(self, **values: Any) -> None:
        """Change the ask behind everybody's back."""
        async with self.store.transaction() as tx:
            await tx.execute(update(asks).values(values))
