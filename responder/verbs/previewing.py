"""`preview`: the plan that an action would get now, read from the world and judged, and kept by nobody."""

from collections.abc import Sequence

from sqlalchemy import select

from responder.approval.orders import Order, read_order
from responder.audit import Entry, append
from responder.errors import Refused
from responder.incident import Incident, Indicators, Priority
from responder.plan import Plan
from responder.store.tables import incidents
from responder.verbs import planning
from responder.verbs.context import Context, heartbeats, verb
from responder.verbs.recognising import Run, raise_alarm
from responder.workflows.wire import SignedOrder


class Previewing:
    """The verb `preview`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @verb("preview")
    async def preview(self, signed: SignedOrder) -> Plan:
        """
        What would be done and what policy would say; nothing is written but the audit's line.

        Raises `Refused` for an order that the approval service did not sign.
        """
        context = self._context
        now = context.store.now()
        order = read_order(context.verifier, signed, now)
        if isinstance(order, str):
            await raise_alarm(context, order, "Nothing was read")
            raise Refused(f"a preview was asked for that is not ours: {order}; nothing was read")
        async with heartbeats():
            seen = await planning.see(context, order.requests)
            run = _as_run(order, await self._incident(order), seen)
            async with context.store.transaction() as tx:
                used = await planning.used_lately(tx, now)
                policy = context.policy()
                gone = await planning.isolated_now(tx, policy.availability.kinds, now)
                plan = planning.draw(policy, run, 1, seen, used=used, now=now, isolated=gone)
                entry = Entry(
                    kind="previewed",
                    actor=order.by,
                    subject=plan.summary[:400],
                    incident=order.incident,
                    data={"ruling": plan.ruling, "tier": plan.tier, "digest": plan.digest},
                )
                await append(tx, now, entry)
            return plan

    async def _incident(self, order: Order) -> Incident | None:
        if order.incident is None:
            return None
        async with self._context.store.reading() as tx:
            query = select(incidents).where(incidents.c.id == order.incident)
            row = (await tx.execute(query)).mappings().one_or_none()
        if row is None:
            raise Refused(f"{order.incident}: there is no such incident; nothing was read")
        return Incident(
            id=row["id"],
            title=row["title"],
            priority=Priority(row["priority"]),
            category=row["category"],
            subject=row["subject"],
            began=row["began"],
            opened=row["opened"],
            indicators=Indicators.model_validate(row["indicators"]),
        )


def _as_run(order: Order, incident: Incident | None, seen: Sequence[planning.Seen]) -> Run:
    """The run that would ask: without an incident, one whose alerts name just what is asked for."""
    named = Indicators()
    for one in seen:
        named = named | one.action.touches()
    incident = incident or Incident(
        id="preview",
        title="preview",
        priority=order.priority,
        category="preview",
        subject="preview",
        began=order.issued,
        opened=order.issued,
        indicators=named,
    )
    return Run(
        id=f"{incident.id}/preview",
        playbook="Preview",
        code="",
        incident=incident,
        whole=incident.indicators,
    )
