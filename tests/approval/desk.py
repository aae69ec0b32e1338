"""Asks to decide, and the people who may."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyotp.totp import TOTP
from sqlalchemy import func, insert, select, update

from responder.approval import totp
from responder.approval.decision import Judgement, Signed
from responder.approval.revoking import Revocation, revoke
from responder.approval.service import Approvals, Verdict
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.incident import Indicators
from responder.people.person import Directory, Person, Role
from responder.policy.judge import Policy
from responder.policy.tiers import Needs
from responder.store import Store
from responder.store.factors import factors
from responder.store.tables import asks, audit, decisions, incidents, messages, runs, steps
from responder.verbs.asking import expire
from tests.databases import ManualClock

DIGEST = "ab" * 32
ORIGIN = "https://responder.example.com"
ONE = Needs(people=1, stepped_up=1)
TWO = Needs(people=2, stepped_up=1)
PEOPLE = {
    person.name: person
    for person in (
        Person(name="ana", roles=(Role.OPERATOR,)),
        Person(name="ben", roles=(Role.ADMIN,)),
        Person(name="cyd", roles=(Role.OPERATOR,)),
        Person(name="vic", roles=(Role.VIEWER,)),
        Person(name="api", roles=(Role.API_USER,)),
        Person(name="gone", roles=(Role.ADMIN,), active=False),
    )
}


class Asked:
    """The approval service, some asks, and everybody's second factor."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.ring, self.signer = KeyRing.fresh(), Signer(Ed25519PrivateKey.generate())
        self.service = Approvals(store, self.signer, self.ring, Policy(), ORIGIN)
        self.secrets: dict[str, str] = {}

    async def ask(
        self, *names: str, needs: Needs = ONE, requester: str = "playbook Containment",
        minutes: float = 15,
    ) -> str:  # fmt: skip
        """Open asks, one unless more are named; returns the first one's id."""
        now = self.clock.now
        names = names or ("a1",)
        async with self.store.transaction() as tx:
            if (await tx.execute(select(incidents.c.id))).first() is None:
                await tx.execute(
                    insert(incidents).values(
                        id="IR-1",
                        title="t",
                        priority="P2",
                        category="data_leak",
                        subject="s",
                        began=now,
                        opened=now,
                        indicators=Indicators().model_dump(mode="json"),
                        revision=1,
                        status="open",
                    )
                )
            row = {
                "incident": "IR-1", "run": "IR-1/x/1", "digest": DIGEST, "plan": {}, "tier": "T2",
                "needs": needs.model_dump(mode="json"), "requester": requester, "state": "open",
                "opened": now, "expires": now + timedelta(minutes=minutes),
            }  # fmt: skip
            await tx.execute(insert(asks), [{"id": name, **row} for name in names])
        return names[0]

    async def states(self) -> dict[str, tuple[str, int]]:
        """Every ask's state, and how many decisions are recorded for it."""
        async with self.store.reading() as tx:
            query = (
                select(asks.c.id, asks.c.state, func.count(decisions.c.id))
                .outerjoin(decisions, decisions.c.ask == asks.c.id)
                .group_by(asks.c.id, asks.c.state)
            )
            return {ask: (state, count) for ask, state, count in (await tx.execute(query)).all()}

    async def enrol(self, *names: str) -> None:
        """Give people a second factor."""
        for name in names:
            async with self.store.transaction() as tx:
                uri = await totp.enrol(tx, self.ring, name)
            self.secrets[name] = uri.partition("secret=")[2].partition("&")[0]

    def code(self, name: str, *, steps: int = 0) -> str:
        """The code of this moment, or of another step."""
        step = int(self.clock.now.timestamp()) // 30 + steps
        return TOTP(self.secrets[name]).generate_otp(step)

    async def decide(
        self,
        ask: str,
        name: str,
        *,
        approve: bool = True,
        code: str | None = None,
        digest: str = DIGEST,
        **more: Any,
    ) -> Any:
        """One decision about the right plan, with the right code unless told otherwise."""
        if code is None:
            code = self.code(name) if name in self.secrets and "passkey" not in more else ""
        verdict = Verdict(approve=approve, code=code, digest=digest, **more)
        return await self.service.decide(ask, PEOPLE[name], verdict, method="api token")

    async def begin(self, ask: str) -> None:
        """What a worker leaves in the store as it begins what was approved: a step, begun now."""
        now = self.clock.now
        async with self.store.transaction() as tx:
            run = {
                "id": "IR-1/x/1", "incident": "IR-1", "number": 1, "playbook": "X", "code": "",
                "indicators": {}, "state": "open", "opened": now,
            }  # fmt: skip
            step = {
                "key": "IR-1/x/1/1", "run": run["id"], "asked_for": "", "plan": {}, "digest": DIGEST,
                "state": "carrying", "planned": now, "begun": now,
            }  # fmt: skip
            await tx.execute(insert(runs).values(**run))
            await tx.execute(insert(steps).values(**step))
            await tx.execute(update(asks).where(asks.c.id == ask).values(step=step["key"]))

    async def revoke(self, who: str, *, of: str = "", reason: str = "a mistake") -> Any:
        """Take an approval of a1 back."""
        revocation = Revocation(reason=reason, decided_by=of)
        return await revoke(self.store, "a1", PEOPLE[who], revocation)

    async def expire(self, row: Mapping[Any, Any]) -> bool:
        """What the clock does at the end of an ask."""
        async with self.store.transaction() as tx:
            return await expire(tx, row, self.clock.now)

    async def row(self, ask: str) -> Any:
        """The ask as it is now."""
        async with self.store.reading() as tx:
            query = select(asks).where(asks.c.id == ask)
            return (await tx.execute(query)).mappings().one()

    async def signed(self, ask: str) -> list[Signed]:
        """The decisions as they are kept."""
        async with self.store.reading() as tx:
            query = select(decisions).where(decisions.c.ask == ask).order_by(decisions.c.id)
            return [
                Signed(document=r["document"], signature=r["signature"], revoked=r["revoked"])
                for r in (await tx.execute(query)).mappings()
            ]

    async def objection(self, name: str, /, **changed: Any) -> str | None:
        """What a worker says just before the effect."""
        people = changed.pop("people", PEOPLE)
        given: dict[str, Any] = {
            "ask": await self.row(name), "signed": await self.signed(name), "digest": DIGEST,
            "now": self.clock.now, "begun": False,
        } | changed  # fmt: skip
        judgement = Judgement(self.signer.verifier, Directory(people.values()))
        return judgement.objection(
            given["ask"], given["signed"], digest=given["digest"], now=given["now"],
            begun=given["begun"],
        )  # fmt: skip

    async def told(self, start: str) -> set[str]:
        """Who was told, loudly, of what begins so."""
        async with self.store.reading() as tx:
            query = select(messages).where(messages.c.key.like(f"{start}%"), messages.c.loud)
            return {row.audience for row in (await tx.execute(query)).all()}

    async def audited(self, kind: str) -> list[Any]:
        """The audit's entries of a kind."""
        async with self.store.reading() as tx:
            query = select(audit).where(audit.c.kind == kind).order_by(audit.c.seq)
            return list((await tx.execute(query)).all())

    async def factor(self, name: str) -> Any:
        """Somebody's second factor's row."""
        async with self.store.reading() as tx:
            return (await tx.execute(select(factors).where(factors.c.principal == name))).one()
