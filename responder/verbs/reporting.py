"""What a run says of itself, and what its incident goes by: short writes and reads of the store."""

from sqlalchemy import update
from temporalio import activity

from responder.audit import Entry, append
from responder.errors import Refused
from responder.standing.stand import stand
from responder.standing.updating import restart_updates
from responder.store.tables import runs
from responder.verbs.asking import bump
from responder.verbs.context import Context, heartbeats, verb
from responder.verbs.recognising import confirm, known, recognised
from responder.verbs.telling import tell
from responder.workflows.wire import Announcement, Answer, Ending, Inquiry, Nothing, Standing


class Reporting:
    """The verbs `look_up`, `announce`, `contained`, `finish` and `stand`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @verb("look_up")
    async def look_up(self, inquiry: Inquiry) -> Answer:
        """The answer to a lookup; it reads, and what it read is audited."""
        context = self._context
        async with heartbeats():
            run, _ = await known(context)
            await confirm(context, run)
            lookup = context.kinds.lookup(inquiry.request)
            value = lookup.result().dump_python(await context.provision.answer(lookup), mode="json")
            now = context.store.now()
            async with context.store.transaction() as tx:
                entry = Entry(
                    kind="looked up",
                    actor=run.id,
                    subject=str(lookup)[:400],
                    incident=run.incident.id,
                )
                await append(tx, now, entry)
            return Answer(value=value)

    @verb("announce")
    async def announce(self, said: Announcement) -> Nothing:
        """Leave a message for people, once."""
        context = self._context
        now = context.store.now()
        async with recognised(context) as (tx, run):
            fresh = await tell(
                tx,
                now,
                key=f"said/{run.id}/{said.number}",
                audience=said.audience,
                loud=said.loud,
                incident=run.incident.id,
                body=said.body,
                subject=f"{run.incident.priority} {run.incident.id}: {said.subject}",
            )
            if fresh:
                entry = Entry(
                    kind="announced",
                    actor=run.id,
                    subject=said.audience,
                    incident=run.incident.id,
                    data={"subject": said.subject},
                )
                await append(tx, now, entry)
                if said.update:
                    targets = context.policy().sla[run.incident.priority]
                    await restart_updates(tx, run.incident.id, targets, now)
                    await bump(tx, run.incident.id)
        return Nothing()

    @verb("contained")
    async def contained(self, _: Nothing) -> Nothing:
        """Note that a run has nothing more to contain; whether it *is* contained is judged by receipts."""
        context = self._context
        now = context.store.now()
        async with recognised(context) as (tx, run):
            noted = await tx.execute(
                update(runs)
                .where(runs.c.id == run.id, runs.c.contained.is_(None))
                .values(contained=now)
            )
            if noted.rowcount == 1:
                await bump(tx, run.incident.id)
        return Nothing()

    @verb("finish")
    async def finish(self, ending: Ending) -> Nothing:
        """Close the run; a failure is told to people, never discovered."""
        context = self._context
        now = context.store.now()
        async with recognised(context) as (tx, run):
            values = {
                "state": "failed" if ending.failed else "done",
                "closed": now,
                "said": ending.said,
            }
            closed = await tx.execute(
                update(runs).where(runs.c.id == run.id, runs.c.closed.is_(None)).values(values)
            )
            if closed.rowcount != 1:
                return Nothing()
            if not ending.failed:
                await tx.execute(
                    update(runs)
                    .where(runs.c.id == run.id, runs.c.contained.is_(None))
                    .values(contained=now)
                )
            entry = Entry(
                kind="run ended",
                actor=run.id,
                subject=run.id,
                incident=run.incident.id,
                data={"failed": ending.failed, "said": ending.said},
            )
            await append(tx, now, entry)
            await bump(tx, run.incident.id)
            if ending.failed:
                await tell(
                    tx,
                    now,
                    key=f"failed/{run.id}",
                    audience="security",
                    incident=run.incident.id,
                    loud=True,
                    subject=f"{run.incident.priority} {run.incident.id}: playbook {run.playbook} stopped",
                    body=f"{ending.said}\n\nThe incident's clocks go on. What is contained stays leased.",
                )
        return Nothing()

    @verb("stand")
    async def stand(self, _: Nothing) -> Standing:
        """Where the calling incident stands; strikes its clocks by the store's own time."""
        context = self._context
        incident = activity.info().workflow_id or ""
        async with context.store.transaction() as tx:
            standing = await stand(
                tx, context.kinds, context.policy(), incident, context.store.now()
            )
        if standing is None:
            raise Refused(f"{incident}: the store knows no such incident; nothing was done")
        return standing
