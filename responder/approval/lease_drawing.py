"""Drawing an ask about leases: which holds, what would become of them, and how heavy that is."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import or_, select

from responder.contract import Request
from responder.errors import Refused
from responder.incident import Frozen, Indicators
from responder.plan import Blast, Change, How, Plan, PointPlan, Requester
from responder.policy.judge import Policy
from responder.policy.leases import HeldNow, LeaseChange, LeaseKind, too_far, weigh
from responder.policy.tiers import Ruling, Tier
from responder.store.database import Transaction
from responder.store.tables import holds, resources, runs
from responder.verbs.context import Kinds

_MOST = 1000  # holds that one decision is about


class Wish(Frozen):
    """What a person wants to become of which leases: of one hold, a resource, or an incident."""

    kind: LeaseKind = LeaseKind.END
    hold: str | None = Field(default=None, max_length=400)
    resource: str | None = Field(default=None, max_length=400)
    incident: str | None = Field(default=None, max_length=64)
    lasts: timedelta | None = Field(
        default=None, gt=timedelta(0), description="How much longer than now decided."
    )
    until: datetime | None = Field(default=None, description="Until when, instead of how much.")
    reason: str = Field(default="", max_length=1000)

    @property
    def named(self) -> str:
        """What was named."""
        return self.hold or self.resource or self.incident or "nothing"


class Drawn(Frozen):
    """What is asked about leases: the change that is signed, the plan that is shown, and of whom."""

    change: LeaseChange
    plan: Plan
    requester: str

    def asked_by(self, person: str) -> "Drawn":
        """The same, asked for by *person*: that is shown with it, and signed."""
        plan = self.plan.model_copy(update={"asked_by": (Requester(name=person, how=How.LEASE),)})
        change = self.change.model_copy(update={"asked_by": person, "shown": plan.digest})
        return self.model_copy(update={"plan": plan, "change": change})


async def draw(
    tx: Transaction, kinds: Kinds, policy: Policy, wish: Wish, now: datetime
) -> Drawn | None:
    """
    What *wish* means now; None if nothing that lives is named by it.

    Holds come in the order of their undoing, the newest first. Raises `Refused` for an extension
    that policy does not allow.
    """
    rows = await _live(tx, wish, now)
    if not rows:
        return None
    until = _until(wish, rows)
    if until is not None:
        shorter = [row for row in rows if row["until"] is not None and row["until"] < until]
        rows = shorter or rows[:1]
        if said := too_far(policy, _held(rows[0]), until, now):
            raise Refused(f"{rows[0]['resource']}: {said}; nothing was extended")
    now_held = [_held(row) for row in rows]
    touched = [_touches(kinds, row) for row in rows]
    networks = [one.networks for one in touched]
    tier = weigh(policy, zip(now_held, networks, strict=True), until)
    first = rows[0]
    touches = Indicators()
    for one in touched:
        touches = touches | one
    plan = Plan(
        incident=wish.incident or first["incident"],
        run=first["run"],
        step=0,
        playbook=first["playbook"] or "",
        code=first["code"] or "",
        changes=tuple(_change(wish.kind, row, tier, until) for row in rows),
        touches=touches,
        blast=Blast(
            hosts=len(touches.hosts), networks=len(touches.networks), accounts=len(touches.accounts)
        ),
        tier=tier,
        ruling=Ruling.ASK,
        reason=wish.reason or f"{wish.kind} what is held",
        policy=policy.version,
        at=now,
    )
    change = LeaseChange(
        kind=wish.kind,
        holds=tuple(now_held),
        until=until,
        incident=plan.incident,
        tier=tier,
        shown=plan.digest,
        policy=policy.version,
    )
    playbooks = sorted({row["playbook"] or "?" for row in rows})
    return Drawn(change=change, plan=plan, requester=f"playbook {', '.join(playbooks)}"[:255])


async def _live(tx: Transaction, wish: Wish, now: datetime) -> Sequence[Mapping[Any, Any]]:
    query = (
        select(
            holds,
            resources.c.point,
            resources.c.base,
            resources.c.base_known,
            resources.c.wanted,
            runs.c.playbook,
            runs.c.code,
        )
        .join(resources, resources.c.name == holds.c.resource)
        .outerjoin(runs, runs.c.id == holds.c.run)
        .where(holds.c.ended.is_(None), or_(holds.c.until.is_(None), holds.c.until > now))
        .order_by(holds.c.taken.desc(), holds.c.id.desc())
        .limit(_MOST)
    )
    if wish.hold is not None:
        query = query.where(holds.c.id == wish.hold)
    if wish.resource is not None:
        query = query.where(holds.c.resource == wish.resource)
    if wish.incident is not None:
        query = query.where(holds.c.incident == wish.incident)
    return (await tx.execute(query)).mappings().all()


def _until(wish: Wish, rows: Sequence[Mapping[Any, Any]]) -> datetime | None:
    """The new end: as named, or so much later than the latest that was decided."""
    if wish.kind is LeaseKind.END:
        return None
    if wish.until is not None:
        return wish.until
    ends: list[datetime] = [row["until"] for row in rows if row["until"] is not None]
    if wish.lasts is None or not ends:
        raise Refused(
            f"{wish.named}: expected how much longer, or until when, and a lease that has an end"
        )
    return max(ends) + wish.lasts


def _held(row: Mapping[Any, Any]) -> HeldNow:
    names = ("id", "resource", "incident", "summary", "taken", "until")
    return HeldNow(**{name: row[name] for name in names}, tier=Tier(row["tier"]))


def _touches(kinds: Kinds, row: Mapping[Any, Any]) -> Indicators:
    try:
        return kinds.action(Request.model_validate(row["request"])).touches()
    except Refused:
        return Indicators()  # of an action that is no longer installed


def _change(kind: LeaseKind, row: Mapping[Any, Any], tier: Tier, until: datetime | None) -> Change:
    """What would become of one hold, in the form in which plans are shown."""
    later = f" until {until:%Y-%m-%d %H:%M:%S} UTC" if until else ""
    after = row["base"] if kind is LeaseKind.END else row["wanted"]
    return Change(
        request=Request.model_validate(row["request"]),
        summary=f"{kind}: {row['summary']}{later}",
        points=(
            PointPlan(
                point=row["point"],
                resource=row["resource"],
                known=row["base_known"],
                before=row["wanted"],
                after=after,
                changes=row["wanted"] != after,
            ),
        ),
        lasts=until - row["taken"] if until else None,
        reversible=True,
        tier=tier,
        ruling=Ruling.ASK,
    )
