"""Deciding: who may, the second factor, the signature, and the one swap that ends an ask."""

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from responder.approval import totp
from responder.approval.decision import Decision
from responder.audit import Entry, append
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.errors import Refused
from responder.incident import Frozen
from responder.people.person import Permission, Person
from responder.policy.judge import Policy
from responder.policy.tiers import Needs
from responder.store import Store
from responder.store.rows import insert_new
from responder.store.tables import asks, decisions
from responder.verbs.asking import bump

# 48 bits: nobody finds another plan whose digest begins alike while an ask waits.
_LEAST_QUOTED = 12


class Verdict(Frozen):
    """What a person says to an ask; *digest* is what they looked at, its first 12 hex digits or more."""

    approve: bool
    code: str = ""
    reason: str = ""
    digest: str = ""


class Approvals:
    """The approval service: the only part that holds the signing key."""

    def __init__(self, store: Store, signer: Signer, ring: KeyRing, policy: Policy) -> None:
        self._store = store
        self._signer = signer
        self._ring = ring
        self._policy = policy

    async def decide(
        self, ask_id: str, person: Person, verdict: Verdict, *, method: str
    ) -> Mapping[Any, Any]:
        """
        Record *person*'s decision; returns the ask as it is then.

        Raises `Refused` if they may not decide this, if the second factor does not hold, if the
        digest they saw is not the ask's, or if the ask has ended: decided, expired or by its time.
        """
        ask = await self._open_ask(ask_id)
        if not person.may(Permission.APPROVALS_DECIDE):
            raise Refused(f"{person.name} may not decide asks; the role operator or admin may")
        needs = Needs.model_validate(ask["needs"])
        if verdict.approve and needs.not_requester and ask["requester"] == person.name:
            raise Refused(
                f"ask {ask_id} was requested by {person.name}; somebody else must decide it"
            )
        if verdict.digest and len(verdict.digest) < _LEAST_QUOTED:
            raise Refused(
                f"ask {ask_id}: expected the plan's digest or its first {_LEAST_QUOTED} hex digits at "
                f"least, found {len(verdict.digest)}; nothing was recorded"
            )
        if verdict.digest and not ask["digest"].startswith(verdict.digest):
            raise Refused(
                f"ask {ask_id} is about plan {ask['digest'][:12]}, not {verdict.digest[:12]}; look again"
            )
        factors: tuple[str, ...] = (method,)
        if verdict.approve and needs.stepped_up:
            if not verdict.code:
                raise Refused(
                    f"ask {ask_id} is {ask['tier']}: approving it needs a code of your second factor"
                )
            await totp.check(self._store, self._ring, person.name, verdict.code)
            factors = (method, totp.KIND)
        return await self._record(ask, person, verdict, factors, needs, method)

    async def _open_ask(self, ask_id: str) -> Mapping[Any, Any]:
        async with self._store.reading() as tx:
            ask = (
                (await tx.execute(select(asks).where(asks.c.id == ask_id))).mappings().one_or_none()
            )
        if ask is None:
            raise Refused(f"there is no ask {ask_id}")
        _must_be_open(ask, self._store.now())
        return ask

    async def _record(
        self,
        ask: Mapping[Any, Any],
        person: Person,
        verdict: Verdict,
        factors: tuple[str, ...],
        needs: Needs,
        method: str,
    ) -> Mapping[Any, Any]:
        now = self._store.now()
        decision = Decision(
            ask=ask["id"],
            digest=ask["digest"],
            principal=person.name,
            approve=verdict.approve,
            method=method,
            factors=factors,
            issued=now,
            expires=now + self._policy.execute_within,
            nonce=secrets.token_hex(16),
            policy=self._policy.version,
            reason=verdict.reason,
        )
        async with self._store.transaction() as tx:
            query = select(asks).where(asks.c.id == ask["id"]).with_for_update()
            current = (await tx.execute(query)).mappings().one()
            _must_be_open(current, now)
            row = {
                "ask": ask["id"],
                "principal": person.name,
                "approve": verdict.approve,
                "document": decision.document,
                "signature": self._signer.sign(decision.document),
            }
            if not await insert_new(tx, decisions, row):
                raise Refused(f"{person.name} has already decided ask {ask['id']}")
            given = (
                (
                    await tx.execute(
                        select(decisions.c.principal).where(
                            decisions.c.ask == ask["id"], decisions.c.revoked.is_(None)
                        )
                    )
                )
                .scalars()
                .all()
            )
            state = "open"
            if not verdict.approve:
                state = "denied"
            elif len(given) >= needs.people:
                state = "approved"
            if state != "open":
                swapped = await tx.execute(
                    update(asks)
                    .where(asks.c.id == ask["id"], asks.c.state == "open", asks.c.expires > now)
                    .values(state=state, decided=now, execute_by=decision.expires)
                )
                if swapped.rowcount != 1:
                    raise Refused(f"ask {ask['id']} ended while you decided; nothing was recorded")
            await bump(tx, ask["incident"])
            entry = Entry(
                kind="decided",
                actor=person.name,
                subject=f"ask {ask['id']}",
                incident=ask["incident"],
                data={
                    "approve": verdict.approve,
                    "digest": ask["digest"],
                    "factors": list(factors),
                    "reason": verdict.reason,
                    "ask_is": state,
                },
            )
            await append(tx, now, entry)
            return (await tx.execute(select(asks).where(asks.c.id == ask["id"]))).mappings().one()


def _must_be_open(ask: Mapping[Any, Any], now: Any) -> None:  # noqa: ANN401 - a datetime
    if ask["state"] != "open":
        raise Refused(f"ask {ask['id']} is {ask['state']} since {ask['decided']:%H:%M:%S} UTC")
    if now >= ask["expires"]:
        raise Refused(
            f"ask {ask['id']} expired at {ask['expires']:%H:%M:%S} UTC; nothing was recorded"
        )
