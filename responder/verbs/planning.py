"""Planning: read the world, see what would change, and have policy rule on it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select

from responder.approval.edits import Edited
from responder.contract import Action, Found, Request, Resource
from responder.errors import Refused
from responder.incident import Indicators
from responder.plan import Blast, Change, How, Plan, PointPlan, Requester
from responder.policy.judge import Case, Policy, judge
from responder.policy.shared import shortened
from responder.policy.tiers import Ruling, Tier
from responder.store.database import Transaction
from responder.store.tables import holds
from responder.verbs.context import Context
from responder.verbs.recognising import Run

_AT_ONCE = 32
_READ_WITHIN = 3.0  # seconds


@dataclass(frozen=True)
class Seen:
    """One action with its enforcement points as they were found from *at* on; None is unknown."""

    request: Request
    action: Action[Any]
    resources: Mapping[str, Resource[Any]]
    found: Mapping[str, Found[Any] | None]
    at: datetime
    refused: str = ""  # what a point said that will not do it, whoever approves


async def see(context: Context, requests: Sequence[Request]) -> list[Seen]:
    """
    Read every enforcement point of every action, at once; a silent point is unknown.

    One that takes longer than `_READ_WITHIN`, or than its resource asks for, is silent: a dead
    firewall must not hold up the living ones.
    """
    policy = context.policy()
    actions = [_shortened(policy, context.kinds.action(request)) for request in requests]
    requests = [Request.of(action) for action in actions]
    resolved, refused = _resolved(context, actions)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(i: int, point: str) -> Found[Any] | None:
        resource = resolved[i][point]
        async with gate:
            try:
                async with asyncio.timeout(getattr(resource, "reads_within", _READ_WITHIN)):
                    return await resource.read()
            except Refused as no:
                refused[i][point] = no.message
                return None
            except Exception:  # noqa: BLE001 - unknown; carrying out says what is wrong with it
                return None

    at = context.store.now()
    names = [(i, point) for i, points in enumerate(resolved) for point in points]
    found = await asyncio.gather(*(read(i, point) for i, point in names))
    by_action: list[dict[str, Found[Any] | None]] = [{} for _ in actions]
    for (i, point), state in zip(names, found, strict=True):
        by_action[i][point] = state
    return [
        Seen(request=r, action=a, resources=p, found=f, at=at, refused=_refusal(a, p, no))
        for r, a, p, f, no in zip(requests, actions, resolved, by_action, refused, strict=True)
    ]


def _resolved(
    context: Context, actions: Sequence[Action[Any]]
) -> tuple[list[Mapping[str, Resource[Any]]], list[dict[str, str]]]:
    """The resources of each action, and what was said instead of them: one never stops another."""
    resolved: list[Mapping[str, Resource[Any]]] = []
    refused: list[dict[str, str]] = []
    for action in actions:
        try:
            resolved.append(context.provision.resolve(action))
            refused.append({})
        except Refused as no:
            resolved.append({})
            refused.append({"": no.message})
    return resolved, refused


def _refusal(
    action: Action[Any], points: Mapping[str, Resource[Any]], refused: Mapping[str, str]
) -> str:
    """
    Why *action* cannot be done at all, by what its points said.

    One point that cannot block a network is one point less. But one that says that the host or the
    account is not what the settings say speaks of the target, and for all points.
    """
    touched = action.touches()
    whole = bool(touched.hosts or touched.accounts) or len(refused) >= len(points)
    return "; ".join(refused.values()) if whole else ""


def _shortened(policy: Policy, action: Action[Any]) -> Action[Any]:
    """*action*, held for less time where it touches addresses that others share."""
    if not action.reversible:
        return action
    lasts = shortened(action.lasts, action.touches().networks, policy.shared)
    return action if lasts == action.lasts else action.model_copy(update={"lasts": lasts})


def readings(seen: Sequence[Seen]) -> dict[str, Found[Any]]:
    """What was found at each resource that answered, by the resource's name."""
    return {
        one.resources[point].name: found
        for one in seen
        for point, found in one.found.items()
        if found is not None
    }


async def used_lately(tx: Transaction, now: datetime) -> dict[str, int]:
    """How many changes of each kind began in the last hour: what budgets are counted in."""
    query = (
        select(holds.c.kind, func.count(func.distinct(holds.c.step + holds.c.summary)))
        .where(holds.c.taken > now - timedelta(hours=1))
        .group_by(holds.c.kind)
    )
    return dict((await tx.execute(query)).all())


async def isolated_now(tx: Transaction, kinds: Sequence[str], now: datetime) -> frozenset[str]:
    """The hosts that a change of one of *kinds* holds out of service now, done or still pending."""
    query = select(holds.c.request).where(
        holds.c.kind.in_(kinds),
        holds.c.ended.is_(None),
        or_(holds.c.until.is_(None), holds.c.until > now),
    )
    requests = (await tx.execute(query)).scalars()
    return frozenset(str(request["params"].get("host", "")) for request in requests)


def case_of(action: Action[Any]) -> Case:
    """*action* as the judge sees it."""
    return Case(
        kind=type(action).__name__,
        summary=str(action),
        tier=action.tier,
        lasts=action.lasts,
        reversible=action.reversible or action.recovers,
        touches=action.touches(),
    )


def draw(
    policy: Policy,
    run: Run,
    step: int,
    seen: Sequence[Seen],
    *,
    used: Mapping[str, int],
    now: datetime,
    isolated: Collection[str] = (),
    edit: Edited | None = None,
) -> Plan:
    """
    The plan: what would change at every point, and what policy says of it.

    What people left out in an *edit* is in it without a point; what they edited is asked about,
    whatever policy would allow alone.
    """
    dropped, edited = (edit.dropped, edit.said) if edit is not None else ({}, "")
    kept = [one for index, one in enumerate(seen) if index not in dropped]
    cases = [case_of(one.action) for one in kept]
    priority = run.incident.priority
    verdicts = iter(
        judge(policy, cases, priority=priority, indicators=run.whole, used=used, isolated=isolated)
    )
    changes = []
    for index, one in enumerate(seen):
        if index in dropped:
            changes.append(_dropped(one, dropped[index]))
            continue
        verdict = next(verdicts)
        ruling, reason = verdict.ruling, verdict.reason
        if edited and ruling is Ruling.ALLOW:
            ruling, reason = Ruling.ASK, f"{reason}; {edited}" if reason else edited
        if one.refused and ruling is not Ruling.REFUSE:
            ruling, reason = Ruling.REFUSE, one.refused
        if not one.resources and ruling is not Ruling.REFUSE:
            ruling = Ruling.REFUSE
            reason = f"no enforcement point is configured for {one.request.kind}: not contained"
        changes.append(
            Change(
                request=one.request,
                summary=str(one.action),
                points=tuple(_point(one, name) for name in one.resources),
                lasts=one.action.lasts,
                reversible=one.action.reversible,
                tier=verdict.tier,
                ruling=ruling,
                reason=reason,
            )
        )
    touches = Indicators()
    for case in cases:
        touches = touches | case.touches
    protected = {asset.name for asset in policy.assets if asset.protected}
    blast = Blast(
        hosts=len(touches.hosts),
        networks=len(touches.networks),
        accounts=len(touches.accounts),
        protected=tuple(h for h in touches.hosts if h in protected),
    )
    # One refused action does not stop the others: an alert that names an address of ours beside
    # the attacker's must not save the attacker.
    rulings = [change.ruling for change in changes]
    ruling = next(r for r in (Ruling.ASK, Ruling.ALLOW, Ruling.REFUSE) if r in rulings)
    return Plan(
        incident=run.incident.id,
        run=run.id,
        step=step,
        playbook=run.playbook,
        code=run.code,
        asked_by=_asked_by(run) if edit is None else edit.asked_by,
        changes=tuple(changes),
        touches=touches,
        blast=blast,
        tier=max((c.tier for c in changes if c.ruling is ruling), key=lambda tier: Tier(tier).rank),
        ruling=ruling,
        reason="; ".join(
            [
                *([edited] if edited else []),
                *(f"{one.summary}: {one.reason}" for one in changes if one.ruling is ruling),
            ]
        ),
        policy=policy.version,
        at=now,
    )


def _asked_by(run: Run) -> tuple[Requester, ...]:
    return tuple(Requester(name=name, how=How.OPENED) for name in run.asked_by)


def _dropped(one: Seen, why: str) -> Change:
    """What people left out: it has no points, so that a digest with it is another one."""
    return Change(
        request=one.request,
        summary=str(one.action),
        points=(),
        lasts=one.action.lasts,
        reversible=one.action.reversible,
        tier=one.action.tier,
        ruling=Ruling.REFUSE,
        reason=why,
    )


def _point(seen: Seen, name: str) -> PointPlan:
    resource, found = seen.resources[name], seen.found[name]
    if found is None:
        return PointPlan(point=name, resource=resource.name, known=False)
    state = seen.action.state()
    before = state.dump_python(found.state, mode="json")
    after = state.dump_python(seen.action.desired(found.state), mode="json")
    return PointPlan(
        point=name,
        resource=resource.name,
        before=before,
        expires=found.expires,
        record=found.record,
        after=after,
        changes=before != after,
    )
