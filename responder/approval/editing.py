"""
Editing instead of approving: another length, or some actions left out, and everybody is asked anew.

An edit ends its ask, and every decision on it is void with it. It changes nothing else: the run's
next look plans again with the edit applied, and that plan has a digest and an ask of its own.
Like a decision it is signed, for workers do not believe rows.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import func, insert, select, update

from responder.approval.edits import Edit, lasting
from responder.approval.recording import must_be_open
from responder.audit import Entry, append
from responder.crypto.signing import Signer
from responder.errors import Missing, Refused
from responder.incident import Frozen, Indicators, Priority
from responder.people.person import Permission, Person
from responder.plan import Plan
from responder.policy.judge import Policy, judge
from responder.policy.tiers import Ruling
from responder.store import Store, Transaction
from responder.store.noticing import edits
from responder.store.tables import asks, incidents
from responder.verbs.asking import bump
from responder.verbs.context import Kinds
from responder.verbs.planning import case_of

_LEAST_QUOTED = 12  # hex digits of a digest


class Editing(Frozen):
    """What somebody wants otherwise before it is approved."""

    lasts: timedelta | None = Field(
        default=None, gt=timedelta(0), description="How long every change is held instead."
    )
    without: tuple[int, ...] = Field(
        default=(), max_length=200, description="Numbers of the actions to leave out, from 1."
    )
    reason: str = Field(min_length=1, max_length=300, description="Why; everybody asked reads it.")
    digest: str = Field(
        min_length=_LEAST_QUOTED, max_length=64, description="The plan's digest, 12 digits or more."
    )


class Editor:
    """Where a plan that waits is edited: the part of the approval service that signs edits."""

    def __init__(
        self, store: Store, signer: Signer, policy: Policy, kinds: Kinds, most: int
    ) -> None:
        self._store = store
        self._signer = signer
        self._policy = policy
        self._kinds = kinds
        self._most = most

    async def edit(self, ask_id: str, person: Person, editing: Editing) -> Mapping[Any, Any]:
        """
        End *ask_id* as edited; returns the ask as it is then.

        Raises `Refused` if *person* may not decide, if the ask has ended or is about another plan,
        if nothing or everything of it would be left, or if policy or the action would not have it.
        """
        if not person.may(Permission.APPROVALS_DECIDE):
            raise Refused(f"{person.name} may not edit asks; the role operator or admin may")
        now = self._store.now()
        async with self._store.transaction() as tx:
            query = select(asks).where(asks.c.id == ask_id).with_for_update()
            ask = (await tx.execute(query)).mappings().one_or_none()
            if ask is None:
                raise Missing(f"there is no ask {ask_id}")
            must_be_open(ask, now)
            await self._must_fit(tx, ask, editing)
            edit = Edit(
                ask=ask_id,
                step=ask["step"],
                digest=ask["digest"],
                by=person.name,
                lasts=editing.lasts,
                without=editing.without,
                reason=editing.reason,
                issued=now,
                nonce=secrets.token_hex(16),
            )
            await self._record(tx, ask, edit, now)
            return (await tx.execute(select(asks).where(asks.c.id == ask_id))).mappings().one()

    async def _record(
        self, tx: Transaction, ask: Mapping[Any, Any], edit: Edit, now: datetime
    ) -> None:
        swapped = await tx.execute(
            update(asks)
            .where(asks.c.id == ask["id"], asks.c.state == "open", asks.c.expires > now)
            .values(state="edited", decided=now)
        )
        if swapped.rowcount != 1:
            raise Refused(f"ask {ask['id']} ended while you edited; nothing was recorded")
        row = {
            "step": edit.step,
            "ask": edit.ask,
            "person": edit.by,
            "document": edit.document,
            "signature": self._signer.sign(edit.document),
            "at": now,
        }
        await tx.execute(insert(edits).values(row))
        entry = Entry(
            kind="edited",
            actor=edit.by,
            subject=f"ask {edit.ask}",
            incident=ask["incident"],
            data={
                "digest": edit.digest,
                "lasts": None if edit.lasts is None else edit.lasts.total_seconds(),
                "without": list(edit.without),
                "reason": edit.reason,
            },
        )
        await append(tx, now, entry)
        await bump(tx, ask["incident"])

    async def _must_fit(self, tx: Transaction, ask: Mapping[Any, Any], editing: Editing) -> None:
        name = f"ask {ask['id']}"
        if ask["step"] is None:
            raise Refused(f"{name} is no playbook's plan: it can be approved or denied, not edited")
        if not ask["digest"].startswith(editing.digest):
            raise Refused(
                f"{name} is about plan {ask['digest'][:12]}, not {editing.digest[:12]}; look again"
            )
        query = select(func.count()).select_from(edits).where(edits.c.step == ask["step"])
        if (await tx.execute(query)).scalar_one() >= self._most:
            raise Refused(
                f"{name}: it was edited {self._most} times already; approve it or deny it"
            )
        plan = Plan.model_validate(ask["plan"])
        live = [i for i, change in enumerate(plan.changes) if change.ruling is not Ruling.REFUSE]
        for number in editing.without:
            if number - 1 not in live:
                raise Refused(
                    f"{name} has no action {number} to leave out; it has "
                    f"{', '.join(str(i + 1) for i in live)}"
                )
        left = [i for i in live if i + 1 not in editing.without]
        if not left:
            raise Refused(
                f"{name}: nothing would be left of it\n\nhint: responder approvals deny {ask['id']}"
            )
        await self._must_be_allowed(tx, name, plan, left, editing.lasts)

    async def _must_be_allowed(
        self, tx: Transaction, name: str, plan: Plan, left: list[int], lasts: timedelta | None
    ) -> None:
        """Whether the actions themselves, and policy, would have what is left."""
        changes = [plan.changes[i] for i in left]
        requests = [lasting(one, one.request, lasts) if lasts else one.request for one in changes]
        if len(changes) == len(plan.changes) and requests == [one.request for one in changes]:
            raise Refused(
                f"{name}: nothing would be changed by that; expected --lasts or --without"
            )
        cases = [case_of(self._kinds.action(request)) for request in requests]
        query = select(incidents.c.priority, incidents.c.indicators)
        row = (await tx.execute(query.where(incidents.c.id == plan.incident))).one()
        verdicts = judge(
            self._policy,
            cases,
            priority=Priority(row.priority),
            indicators=Indicators.model_validate(row.indicators),
            used={},
        )
        for case, verdict in zip(cases, verdicts, strict=True):
            if verdict.ruling is Ruling.REFUSE:
                raise Refused(f"{name}: {case.summary}: {verdict.reason}; nothing was recorded")
