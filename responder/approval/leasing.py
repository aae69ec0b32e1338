"""
Ending and extending leases: decisions like any other, tiered like the change that is held.

Who asks gives the first decision at once. Where that is enough it is done in the same transaction;
where a second person is needed the ask waits for them like every ask. What was approved is written
down once, by one swap of the ask's row, whoever gets to it first.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import Field, JsonValue
from sqlalchemy import select, update

from responder.approval import passkeys
from responder.approval.decision import Decision, Judgement
from responder.approval.enrolment import Purpose, any_of, bound_to
from responder.approval.fatigue import Asked, tell_approvers
from responder.approval.lease_check import about, change_of, objection
from responder.approval.lease_drawing import Drawn, Wish, draw
from responder.approval.lease_rows import must_be_new, open_row, say_not_done
from responder.approval.recording import record
from responder.approval.settings import ApprovalSettings
from responder.approval.step_up import step_up
from responder.audit import Entry, append
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.errors import Missing, Refused
from responder.incident import Frozen
from responder.people.person import Directory, Permission, Person
from responder.plan import Plan
from responder.policy.judge import Policy
from responder.policy.leases import LeaseKind
from responder.policy.tiers import Needs, Tier
from responder.store import Store, Transaction
from responder.store.tables import asks, holds, incidents, resources
from responder.verbs.asking import bump
from responder.verbs.believing import approvers
from responder.verbs.context import Kinds


class Proof(Frozen):
    """What a person proves themselves with as they ask for it."""

    code: str = Field(default="", max_length=64, description="Of an app, or a backup code.")
    passkey: dict[str, JsonValue] | None = Field(
        default=None, description="The browser's answer to the challenge for exactly this."
    )


class Prepared(Frozen):
    """An ask about leases whose first decision can be given: by whom, and how they proved it."""

    drawn: Drawn
    needs: Needs
    person: str
    factors: tuple[str, ...]
    method: str
    reason: str


class Leasing:
    """Where asks about leases are opened, and where what was approved of them is written down."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        ring: KeyRing,
        policy: Policy,
        people: Directory,
        kinds: Kinds,
        *,
        origin: str,
        rules: ApprovalSettings,
    ) -> None:
        self._store = store
        self._signer = signer
        self._ring = ring
        self._policy = policy
        self._people = people
        self._kinds = kinds
        self._origin = origin
        self._rules = rules
        self._judgement = Judgement(signer.verifier, people, rules.break_glass)

    async def request(
        self, wish: Wish, person: Person, proof: Proof, *, method: str
    ) -> Mapping[Any, Any]:
        """
        Ask for *wish* and give *person*'s decision; returns the ask, whose state says if it is done.

        Raises `Refused` if nothing that lives is named, if policy does not allow it, or if they may
        not decide it or did not prove themselves.
        """
        prepared = await self.prepare(wish, person, proof, method=method)
        if prepared is None:
            raise _nothing(wish)
        async with self._store.transaction() as tx:
            return await self.put(tx, prepared)

    async def prepare(
        self, wish: Wish, person: Person, proof: Proof, *, method: str
    ) -> Prepared | None:
        """
        What `put` needs, with *person*'s second factor used up where one is needed.

        None if nothing that lives is named; raises like `request` otherwise.
        """
        drawn = await self._drawn(wish, person)
        if drawn is None:
            return None
        needs = self._policy.tiers.asked(drawn.change.tier)
        factors = [method]
        if needs.stepped_up:
            if not proof.code and proof.passkey is None:
                raise Refused(
                    f"{wish.named} is {drawn.change.tier}: to {wish.kind} its lease needs a code of your "
                    "second factor, or your passkey"
                )
            factors.append(await self._proved(person, proof, _bound_to_change(drawn)))
        return Prepared(
            drawn=drawn,
            needs=needs,
            person=person.name,
            factors=tuple(factors),
            method=method,
            reason=wish.reason,
        )

    async def prove_closing(self, incident: str, person: Person, proof: Proof) -> None:
        """
        Have *person* prove a second factor, if they have one, to close what holds something heavy.

        Closing releases nothing, but it ends the incident's runs and asks: whoever stole a token could
        end a response with it. Raises `Refused` if the proof does not hold.
        """
        if not self._rules.proof_to_close:
            return
        live = select(holds.c.tier).where(holds.c.incident == incident, holds.c.ended.is_(None))
        async with self._store.reading() as tx:
            tiers = {Tier(one) for one in (await tx.execute(live)).scalars()}
            has = await any_of(tx, person.name)
        if not has or not any(self._policy.tiers.asked(tier).stepped_up for tier in tiers):
            return
        await self._proved(person, proof, bound_to(person.name, Purpose.CLOSE))

    async def _proved(self, person: Person, proof: Proof, bound: str) -> str:
        return await step_up(
            self._store,
            self._ring,
            self._origin,
            person.name,
            code=proof.code,
            passkey=proof.passkey,
            bound_to=bound,
            now=self._store.now(),
        )

    async def challenge(self, wish: Wish, person: Person) -> dict[str, Any]:
        """What *person*'s browser asks their passkey for, to `request` exactly *wish*."""
        drawn = await self._drawn(wish, person)
        if drawn is None:
            raise _nothing(wish)
        bound, now = _bound_to_change(drawn), self._store.now()
        return await passkeys.challenge_for(self._store, self._origin, person.name, bound, now)

    async def _drawn(self, wish: Wish, person: Person) -> Drawn | None:
        async with self._store.reading() as tx:
            drawn = await draw(tx, self._kinds, self._policy, wish, self._store.now())
            if drawn is None:
                return None
            drawn = drawn.asked_by(person.name)
            if not person.may(Permission.APPROVALS_DECIDE):
                raise Refused(f"{person.name} may not decide asks; the role operator or admin may")
            if said := person.may_not_approve(await about(tx, drawn.change)):
                raise Refused(f"{person.name} may not {wish.kind} it: {said}")
            await must_be_new(tx, drawn)
        return drawn

    async def put(self, tx: Transaction, prepared: Prepared) -> Mapping[Any, Any]:
        """Open the ask and record its first decision in *tx*; if that is enough, it is done there as well."""
        drawn, now = prepared.drawn, self._store.now()
        change, name = drawn.change, secrets.token_hex(8)
        await must_be_new(tx, drawn)
        query = select(incidents.c.priority).where(incidents.c.id == change.incident)
        priority = (await tx.execute(query)).scalar_one()
        expires = now + self._policy.approve_within[priority]
        await open_row(tx, name, drawn, prepared.needs, prepared.person, expires, now)
        decision = Decision(
            ask=name,
            digest=change.digest,
            principal=prepared.person,
            approve=True,
            method=prepared.method,
            factors=prepared.factors,
            issued=now,
            expires=now + self._policy.execute_within,
            nonce=secrets.token_hex(16),
            policy=self._policy.version,
            reason=prepared.reason,
        )
        ask = await record(tx, self._signer, decision, vouched_for=self._rules.vouched_for)
        if ask["state"] == "approved":
            await self.apply(tx, ask)
        else:
            asked = Asked(
                id=name,
                incident=change.incident,
                priority=priority,
                requester=drawn.requester,
                barred=(prepared.person,),
                people=prepared.needs.people - 1,
                tier=change.tier,
                subject=f"{priority} {change.incident}: {prepared.person} wants to {change.kind} "
                f"{', '.join(change.resources)[:200]}; approve it too?",
                body=f"It is {change.tier} and needs {prepared.needs.people} people.\n"
                f"Approve by {expires:%H:%M:%S} UTC\n\n    responder approvals show {name}",
            )
            await tell_approvers(tx, self._people, self._rules, asked, now)
        return (await tx.execute(select(asks).where(asks.c.id == name))).mappings().one()

    async def apply(self, tx: Transaction, ask: Mapping[Any, Any]) -> tuple[str, ...]:
        """
        Write down what *ask*, which is approved, decides; returns the resources to be looked at.

        Done once, whoever calls it and however often. What the signatures do not allow, or no longer
        in time, is not done: the ask expires, and people are told.
        """
        now, change = self._store.now(), change_of(ask)
        said = await objection(tx, self._judgement, self._policy.tiers, ask, now)
        if change is not None and Plan.model_validate(ask["plan"]).digest != change.shown:
            said = said or "people were shown another plan than they signed"
        this = (asks.c.id == ask["id"], asks.c.state == "approved", asks.c.applied.is_(None))
        if said or change is None:
            swapped = await tx.execute(
                update(asks).where(*this).values(state="expired", decided=now)
            )
            if swapped.rowcount == 1:
                await say_not_done(tx, ask, said or "", now)
            return ()
        swapped = await tx.execute(update(asks).where(*this).values(applied=now))
        if swapped.rowcount != 1:
            return ()
        by = await approvers(tx, ask["id"])
        for hold in change.holds:
            values = (
                {"ended": now, "ended_by": by}
                if change.kind is LeaseKind.END
                else {"until": change.until}
            )
            live = [holds.c.id == hold.id, holds.c.ended.is_(None)]
            if change.kind is LeaseKind.EXTEND:
                live += [holds.c.until > now, holds.c.until < change.until]
            if (await tx.execute(update(holds).where(*live).values(values))).rowcount != 1:
                continue
            data: dict[str, JsonValue] = {
                "resource": hold.resource,
                "summary": hold.summary,
                "ask": ask["id"],
            }
            if change.until is not None:
                data["until"] = change.until.isoformat()
            kind = "hold ended" if change.kind is LeaseKind.END else "hold extended"
            entry = Entry(kind=kind, actor=by, subject=hold.id, incident=hold.incident, data=data)
            await append(tx, now, entry)
        for incident in dict.fromkeys(hold.incident for hold in change.holds):
            await bump(tx, incident)
        soon = update(resources).where(
            resources.c.name.in_(change.resources), resources.c.state == "held"
        )
        await tx.execute(soon.values(next_try=now))  # the sweep looks, if no lease is made to
        return change.resources


def _nothing(wish: Wish) -> Refused:
    return Missing(f"nothing live is held by {wish.named}")


def _bound_to_change(drawn: Drawn) -> str:
    """What a passkey's challenge is bound to when a lease is decided: exactly this change."""
    return f"lease/{drawn.change.digest}"
