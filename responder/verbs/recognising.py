"""Which run is calling: by the store's rows and the server's own record, not by what is said."""

from typing import NoReturn

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL as LABELS
from sqlalchemy import select, update
from temporalio import activity

from responder.audit import Entry, append
from responder.errors import Refused
from responder.incident import Frozen, Incident, Indicators, Priority
from responder.store.tables import incidents, runs
from responder.verbs.context import Context
from responder.verbs.telling import tell


class Run(Frozen):
    """A run of a playbook that the store knows to be open."""

    id: str
    playbook: str
    code: str
    incident: Incident
    whole: Indicators
    bound: str = ""


async def recognise(context: Context) -> Run:
    """The open run whose workflow called this activity, known to the store and to the server."""
    run = await known(context)
    await confirm(context, run)
    return run


async def known(context: Context) -> Run:
    """
    The open run, by the store alone, whose id the calling workflow has.

    Raises `Refused` when the store knows no such run, or when the run or its incident is over:
    whoever reaches Temporal may start a workflow of any name with any argument, and must gain
    nothing by it.
    """
    info = activity.info()
    workflow_id, run_id = info.workflow_id or "", info.workflow_run_id or ""
    async with context.store.reading() as tx:
        query = (
            select(runs, incidents)
            .join(incidents, incidents.c.id == runs.c.incident)
            .where(runs.c.id == workflow_id)
            .set_label_style(LABELS)
        )
        row = (await tx.execute(query)).mappings().one_or_none()
    if row is None:
        await _stranger(context, workflow_id, "the store knows no such run")
    if row["runs_closed"] is not None or row["incidents_closed"] is not None:
        if row["runs_bound"] == run_id:
            raise Refused(f"{workflow_id}: the run or its incident is closed; nothing was done")
        await _stranger(context, workflow_id, "the run is over", incident=row["runs_incident"])
    return Run(
        bound=row["runs_bound"] or "",
        id=workflow_id,
        playbook=row["runs_playbook"],
        code=row["runs_code"],
        incident=Incident(
            id=row["runs_incident"],
            title=row["incidents_title"],
            priority=Priority(row["incidents_priority"]),
            category=row["incidents_category"],
            subject=row["incidents_subject"],
            began=row["incidents_began"],
            opened=row["incidents_opened"],
            indicators=Indicators.model_validate(row["runs_indicators"]),
        ),
        whole=Indicators.model_validate(row["incidents_indicators"]),
    )


async def confirm(context: Context, run: Run) -> None:
    """
    Have the server confirm that the calling workflow was started by the run's incident.

    Raises `Refused` otherwise. What was confirmed is remembered, so that it is asked once a run.
    """
    run_id = activity.info().workflow_run_id or ""
    if run.bound == run_id:
        return
    parent = await context.temporal.started_by(run.id, run_id)
    if parent != run.incident.id:
        said = f"its workflow was started by {parent or 'nobody'}, not by its incident"
        await _stranger(context, run.id, said, incident=run.incident.id)
    async with context.store.transaction() as tx:
        await tx.execute(update(runs).where(runs.c.id == run.id).values(bound=run_id))


async def _stranger(
    context: Context, workflow_id: str, said: str, *, incident: str | None = None
) -> NoReturn:
    """Refuse, and raise the alarm: this is either an attack or a bug, and both need a person."""
    now = context.store.now()
    async with context.store.transaction() as tx:
        entry = Entry(
            kind="forged",
            actor=workflow_id[:255] or "nobody",
            subject=workflow_id[:400] or "-",
            incident=incident,
            data={"said": said},
        )
        await append(tx, now, entry)
        await tell(
            tx,
            now,
            key=f"forged/{workflow_id}/{activity.info().workflow_run_id}",
            incident=incident,
            audience="security",
            loud=True,
            subject=f"Refused work that was not ours: {workflow_id}",
            body=f"{said}. Nothing was done. Somebody can reach Temporal who should not.",
        )
    raise Refused(f"{workflow_id or 'a stand-alone activity'}: {said}; nothing was done")
