"""Deciding: who may, what they looked at, what they prove it with, and the signature."""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field, JsonValue
from sqlalchemy import select

from responder.approval import number_match, passkeys
from responder.approval.decision import Decision
from responder.approval.misuse import report
from responder.approval.recording import must_be_open, record
from responder.approval.requesting import barred, may_approve, why_barred
from responder.approval.settings import ApprovalSettings
from responder.approval.step_up import for_ask, step_up
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.errors import Missing, Refused
from responder.incident import Frozen
from responder.people.approver_rights import About
from responder.people.person import Permission, Person
from responder.policy.judge import Policy
from responder.policy.tiers import Needs
from responder.store import Store
from responder.store.tables import asks, incidents

# 48 bits: nobody finds another plan whose digest begins alike while an ask waits.
_LEAST_QUOTED = 12


class Verdict(Frozen):
    """What a person says to an ask, what they looked at, and what they prove themselves with."""

    approve: bool
    digest: str = Field(
        default="",
        description="The plan's digest, its first 12 hex digits or more; who approves must quote it.",
    )
    code: str = Field(default="", description="Of an authenticator app, or a backup code.")
    passkey: dict[str, JsonValue] | None = Field(
        default=None, description="The browser's answer to this ask's challenge."
    )
    number: int | None = Field(
        default=None, description="The ask's number, where its tier needs it to be typed."
    )
    reason: str = Field(default="", max_length=1000, description="Why.")
    report: bool = Field(default=False, description="Denied because nobody should have asked this.")


class Approvals:
    """The approval service: the only part that holds the signing key."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        ring: KeyRing,
        policy: Policy,
        origin: str,
        people: Iterable[Person] = (),
        rules: ApprovalSettings | None = None,
    ) -> None:
        self._store = store
        self._signer = signer
        self._ring = ring
        self._policy = policy
        self._origin = origin
        self._people = people
        self._rules = rules or ApprovalSettings()

    async def decide(
        self, ask_id: str, person: Person, verdict: Verdict, *, method: str
    ) -> Mapping[Any, Any]:
        """
        Record *person*'s decision; returns the ask as it is then.

        Raises `Refused` if they may not decide this, if the number or the second factor does not
        hold, if what they looked at is not the ask's plan, or if the ask has ended: decided,
        expired or by its time.
        """
        ask = await self._open_ask(ask_id, person)
        needs = Needs.model_validate(ask["needs"])
        if verdict.approve and (said := person.may_not_approve(About.of(ask))):
            teams = ", ".join(person.teams) or "no team"
            raise Refused(f"ask {ask_id}: {said}; {person.name} is in {teams}")
        if verdict.approve and person.name in barred(ask):
            others = may_approve(self._people, ask, About.of(ask))
            raise Refused(why_barred(ask, person.name, others))
        if verdict.approve and verdict.report:
            raise Refused(f"ask {ask_id}: what is reported is denied, never approved")
        _must_have_looked(ask, verdict)
        factors = [method]
        if verdict.approve and needs.number_match:
            now = self._store.now()
            await number_match.check(self._store, ask, person.name, verdict.number, now)
        if verdict.approve and needs.stepped_up:
            factors.append(await self._step_up(ask, person, verdict))
        now = self._store.now()
        decision = Decision(
            ask=ask_id,
            digest=ask["digest"],
            principal=person.name,
            approve=verdict.approve,
            method=method,
            factors=tuple(factors),
            issued=now,
            expires=now + self._policy.execute_within,
            nonce=secrets.token_hex(16),
            policy=self._policy.version,
            reason=verdict.reason,
        )
        async with self._store.transaction() as tx:
            decided = await record(tx, self._signer, decision, vouched_for=self._rules.vouched_for)
            if verdict.report:
                await report(tx, decided, person.name, verdict.reason, now)
        return decided

    async def challenge(self, ask_id: str, person: Person) -> dict[str, Any]:
        """What *person*'s browser asks their passkey for, to approve exactly this ask's plan."""
        ask = await self._open_ask(ask_id, person)
        now = self._store.now()
        return await passkeys.challenge_for(
            self._store, self._origin, person.name, for_ask(ask), now
        )

    async def _open_ask(self, ask_id: str, person: Person) -> Mapping[Any, Any]:
        async with self._store.reading() as tx:
            query = select(asks, incidents.c.category, incidents.c.priority).join(incidents)
            ask = (await tx.execute(query.where(asks.c.id == ask_id))).mappings().one_or_none()
        if ask is None:
            raise Missing(f"there is no ask {ask_id}")
        must_be_open(ask, self._store.now())
        if not person.may(Permission.APPROVALS_DECIDE):
            raise Refused(f"{person.name} may not decide asks; the role operator or admin may")
        return ask

    async def _step_up(self, ask: Mapping[Any, Any], person: Person, verdict: Verdict) -> str:
        if not verdict.code and verdict.passkey is None:
            raise Refused(
                f"ask {ask['id']} is {ask['tier']}: approving it needs a code of your second factor, "
                "or your passkey"
            )
        return await step_up(
            self._store,
            self._ring,
            self._origin,
            person.name,
            code=verdict.code,
            passkey=verdict.passkey,
            bound_to=for_ask(ask),
            now=self._store.now(),
        )


def _must_have_looked(ask: Mapping[Any, Any], verdict: Verdict) -> None:
    """An approval quotes the plan that was looked at; a denial may, and then it must be this one."""
    quoted = verdict.digest
    if not quoted and not verdict.approve:
        return
    if len(quoted) < _LEAST_QUOTED:
        raise Refused(
            f"ask {ask['id']}: expected the plan's digest or its first {_LEAST_QUOTED} hex digits at "
            f"least, found {len(quoted)}; nothing was recorded"
        )
    if not ask["digest"].startswith(quoted):
        raise Refused(
            f"ask {ask['id']} is about plan {ask['digest'][:12]}, not {quoted[:12]}; look again"
        )
