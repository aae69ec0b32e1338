"""
Break-glass: one person, where the people who are needed cannot be had in time.

They give a reason and a strong factor, and approve exactly one plan. The CISO is paged at once,
and within a day somebody else must have looked at it. What policy refuses stays refused.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field, JsonValue
from sqlalchemy import insert, select

from responder.approval import backup_codes, passkeys
from responder.approval.decision import BREAK_GLASS, GLASS_REASON, GLASS_TIERS, STRONG, Decision
from responder.approval.recording import must_be_open, record
from responder.approval.requesting import never_alone, why_barred
from responder.approval.settings import ApprovalSettings, BreakGlass
from responder.approval.step_up import step_up
from responder.audit import Entry, append
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.errors import Missing, Refused
from responder.incident import Frozen
from responder.people.approver_rights import About
from responder.people.person import Permission, Person
from responder.policy.judge import Policy
from responder.policy.tiers import Needs
from responder.store import Store, Transaction
from responder.store.noticing import reviews
from responder.store.paging import pages
from responder.store.tables import asks, decisions, incidents, runs
from responder.verbs.telling import tell

_VOUCHED_FOR = ApprovalSettings().vouched_for


class Breaking(Frozen):
    """What somebody gives who approves alone."""

    reason: str = Field(
        min_length=GLASS_REASON,
        max_length=1000,
        description="Why it cannot wait for the others; the CISO reads it.",
    )
    digest: str = Field(
        min_length=12, max_length=64, description="The plan's digest, 12 hex digits or more."
    )
    code: str = Field(default="", max_length=64, description="Of an authenticator app.")
    passkey: dict[str, JsonValue] | None = Field(
        default=None, description="The browser's answer to this ask's break-glass challenge."
    )


class Glass:
    """Where one person approves in the place of a quorum."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        ring: KeyRing,
        policy: Policy,
        rules: BreakGlass,
        origin: str,
        *,
        vouched_for: timedelta = _VOUCHED_FOR,
    ) -> None:
        self._vouched_for = vouched_for
        self._store = store
        self._signer = signer
        self._ring = ring
        self._policy = policy
        self._rules = rules
        self._origin = origin

    async def break_glass(
        self, ask_id: str, person: Person, breaking: Breaking
    ) -> tuple[Mapping[Any, Any], str]:
        """
        Approve *ask_id* alone; returns the ask as it is then, and the id of the review that is due.

        Raises `Refused` if the settings or the roles do not allow it, if the ask has ended, is not of
        T2 or T3, was asked for by this person, or only lacks their ordinary approval, or if the factor
        is not a strong one.
        """
        ask = await self._ask(ask_id, person)
        if not ask["digest"].startswith(breaking.digest):
            raise Refused(
                f"ask {ask_id} is about plan {ask['digest'][:12]}, not {breaking.digest[:12]}; look again"
            )
        if len(breaking.reason.strip()) < GLASS_REASON:
            raise Refused(
                f"ask {ask_id}: expected a reason of {GLASS_REASON} characters or more, why it cannot "
                "wait; nothing was recorded"
            )
        factor = await self._prove(ask, person.name, breaking)
        now = self._store.now()
        decision = Decision(
            ask=ask_id,
            digest=ask["digest"],
            principal=person.name,
            approve=True,
            method=BREAK_GLASS,
            factors=(BREAK_GLASS, factor),
            issued=now,
            expires=now + self._policy.execute_within,
            nonce=secrets.token_hex(16),
            policy=self._policy.version,
            reason=breaking.reason,
        )
        async with self._store.transaction() as tx:
            decided = await record(tx, self._signer, decision, vouched_for=self._vouched_for)
            review = await self._alarm(tx, decided, decision, now)
        return decided, review

    async def challenge(self, ask_id: str, person: Person) -> dict[str, Any]:
        """What *person*'s browser asks their passkey for, to break the glass for exactly this plan."""
        ask = await self._ask(ask_id, person)
        return await passkeys.challenge_for(
            self._store, self._origin, person.name, _bound(ask), self._store.now()
        )

    async def _ask(self, ask_id: str, person: Person) -> Mapping[Any, Any]:
        """The open ask that *person* may break the glass for."""
        if not self._rules.allowed:
            raise Refused("the settings allow nobody to break the glass (approvals.break_glass)")
        if not (self._rules.may(person) and person.may(Permission.APPROVALS_DECIDE)):
            roles = " or ".join(self._rules.roles)
            raise Refused(f"{person.name} may not break the glass; the role {roles} may")
        async with self._store.reading() as tx:
            query = select(asks, incidents.c.category, incidents.c.priority).join(incidents)
            query = query.where(asks.c.id == ask_id)
            ask = (await tx.execute(query)).mappings().one_or_none()
            given = select(decisions.c.principal).where(
                decisions.c.ask == ask_id, decisions.c.revoked.is_(None)
            )
            others = {*(await tx.execute(given)).scalars()} - {person.name}
        if ask is None:
            raise Missing(f"there is no ask {ask_id}")
        must_be_open(ask, self._store.now())
        if ask["tier"] not in GLASS_TIERS:
            raise Refused(
                f"ask {ask_id} is {ask['tier']}; the glass is for {' and '.join(GLASS_TIERS)}"
            )
        if person.name in never_alone(ask):
            raise Refused(
                f"{why_barred(ask, person.name)}. That takes two people: the glass is broken by "
                "somebody who did not ask for it"
            )
        if said := person.may_not_approve(About.of(ask)):
            raise Refused(f"ask {ask_id}: {said}")
        if len(others) + 1 >= Needs.model_validate(ask["needs"]).people:
            raise Refused(
                f"ask {ask_id} lacks nobody but you: approve it as ever\n\n"
                f"hint: responder approvals approve {ask_id}"
            )
        return ask

    async def _prove(self, ask: Mapping[Any, Any], name: str, breaking: Breaking) -> str:
        """The strong factor that *name* proves: their passkey if they have one, else their app's code."""
        async with self._store.reading() as tx:
            has_passkey = any(one.stopped is None for one in await passkeys.of(tx, name))
        if has_passkey and breaking.passkey is None:
            raise Refused(
                f"ask {ask['id']}: you have a passkey, and the glass is broken with it; use the console"
            )
        if breaking.passkey is None and backup_codes.looks_like_one(breaking.code):
            raise Refused(
                f"ask {ask['id']}: a backup code does not break the glass; expected a code of your "
                "authenticator app or your passkey"
            )
        proved = await step_up(
            self._store,
            self._ring,
            self._origin,
            name,
            code=breaking.code,
            passkey=breaking.passkey,
            bound_to=_bound(ask),
            now=self._store.now(),
        )
        if proved not in STRONG:
            raise Refused(f"ask {ask['id']}: {proved} does not break the glass")
        return proved

    async def _alarm(
        self, tx: Transaction, ask: Mapping[Any, Any], decision: Decision, now: datetime
    ) -> str:
        """Page the CISO, open the review and write it down, in the transaction of the decision."""
        review, due = secrets.token_hex(4), now + self._rules.review_within
        row = {
            "id": review,
            "ask": ask["id"],
            "incident": ask["incident"],
            "person": decision.principal,
            "reason": decision.reason,
            "opened": now,
            "due": due,
        }
        await tx.execute(insert(reviews).values(row))
        entry = Entry(
            kind="glass broken",
            actor=decision.principal,
            subject=f"ask {ask['id']}",
            incident=ask["incident"],
            data={
                "digest": decision.digest,
                "factors": list(decision.factors),
                "reason": decision.reason,
                "review": review,
                "due": due.isoformat(),
            },
        )
        await append(tx, now, entry)
        await self._page(tx, ask, decision, review, due)
        return review

    async def _page(
        self,
        tx: Transaction,
        ask: Mapping[Any, Any],
        decision: Decision,
        review: str,
        due: datetime,
    ) -> None:
        now, incident = decision.issued, ask["incident"]
        query = select(incidents.c.priority).where(incidents.c.id == incident)
        priority = (await tx.execute(query)).scalar_one()
        what = "; ".join(change["summary"] for change in ask["plan"].get("changes", ()))
        subject = f"{decision.principal} broke the glass: {what or ask['id']}"
        body = (
            f"Why: {decision.reason}\n{ask['tier']}, plan {decision.digest[:12]}, by "
            f"{decision.factors[-1]} at {now:%H:%M:%S} UTC; it may begin until "
            f"{decision.expires:%H:%M:%S} UTC.\nReview it by {due:%Y-%m-%d %H:%M} UTC:\n\n"
            f"    responder approvals review {review} --verdict justified --reason …"
        )
        taken = ""
        run = await _run_of(tx, ask)
        if run is not None:
            page = secrets.token_hex(4)
            row = {
                "id": page,
                "key": f"break-glass/{ask['id']}",
                "incident": incident,
                "run": run,
                "role": self._rules.page,
                "subject": subject,
                "body": body,
                "opened": now,
                "times": 1,
                "next_page": now + self._rules.page_again,
                "heard": True,  # no playbook waits for it
            }
            await tx.execute(insert(pages).values(row))
            taken = f"\n\nTake it: responder pages ack {page}"
        await tell(
            tx,
            now,
            key=f"glass/{ask['id']}/1",
            audience=self._rules.page,
            incident=incident,
            loud=True,
            subject=f"{priority} {incident}: {subject}",
            body=body + taken,
        )


def _bound(ask: Mapping[Any, Any]) -> str:
    """What a passkey's challenge is bound to; the answer to an ordinary approval's does not fit."""
    return f"break-glass/{ask['id']}/{ask['digest']}"


async def _run_of(tx: Transaction, ask: Mapping[Any, Any]) -> str | None:
    """A run that the page can be filed under: the ask's own, or the incident's newest."""
    own = runs.c.id == ask["run"]
    query = (
        select(runs.c.id)
        .where(runs.c.incident == ask["incident"])
        .order_by(own.desc(), runs.c.number.desc())
        .limit(1)
    )
    return (await tx.execute(query)).scalar_one_or_none()
