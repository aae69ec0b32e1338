"""Which run is calling: by the store's rows and the server's own record, not by what is said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL as LABELS
from sqlalchemy import select, update
from temporalio import activity

from responder.audit import Entry, append
from responder.errors import Refused
from responder.incident import Frozen, Incident, Indicators, Priority
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import incidents, runs, steps
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
    asked_by: tuple[str, ...] = ()


class _Strange(Exception):
    """The caller is not a run of ours."""

    def __init__(self, said: str, *, incident: str | None = None) -> None:
        super().__init__(said)
        self.said = said
        self.incident = incident


@asynccontextmanager
async def recognised(context: Context) -> AsyncIterator[tuple[Transaction, Run]]:
    """
    A transaction, and in it the open run whose workflow called this activity.

    Raises `Refused` as `known` and `confirm` do.
    """
    run_id = activity.info().workflow_run_id
    try:
        async with context.store.transaction() as tx:
            run = await _find(tx)
            if run.bound == run_id:
                yield tx, run
                return
    except _Strange as strange:
        await _alarm(context, strange)
    await confirm(context, run)
    async with context.store.transaction() as tx:
        yield tx, run


async def known(context: Context, step: int = 0) -> tuple[Run, Row | None]:
    """
    The open run, by the store alone, whose id the calling workflow has; and its step, if planned.

    Raises `Refused` when the store knows no such run, or when the run or its incident is over:
    whoever reaches Temporal may start a workflow of any name with any argument, and must gain
    nothing by it.
    """
    try:
        async with context.store.reading() as tx:
            run = await _find(tx)
            query = select(steps).where(steps.c.key == f"{run.id}/{step}")
            found = (await tx.execute(query)).mappings().one_or_none() if step else None
            return run, found
    except _Strange as strange:
        await _alarm(context, strange)


async def confirm(context: Context, run: Run) -> None:
    """
    Have the server confirm that the calling workflow was started by the run's incident.

    Raises `Refused` otherwise. What was confirmed is remembered, so that it is asked once a run.
    """
    run_id = activity.info().workflow_run_id or ""
    if run.bound == run_id:
        return
    # A playbook's first verbs come at the same moment: the server is asked once for all of them.
    asked = context.confirming.get(run_id)
    if asked is None:
        asked = context.confirming[run_id] = asyncio.create_task(_bind(context, run, run_id))
        asked.add_done_callback(lambda _: context.confirming.pop(run_id, None))
    parent = await asyncio.shield(asked)
    if parent != run.incident.id:
        said = f"its workflow was started by {parent or 'nobody'}, not by its incident"
        await _alarm(context, _Strange(said, incident=run.incident.id))


async def _bind(context: Context, run: Run, run_id: str) -> str | None:
    parent = await context.temporal.started_by(run.id, run_id)
    if parent == run.incident.id:
        async with context.store.transaction() as tx:
            await tx.execute(update(runs).where(runs.c.id == run.id).values(bound=run_id))
    return parent


async def _find(tx: Transaction) -> Run:
    info = activity.info()
    workflow_id, run_id = info.workflow_id or "", info.workflow_run_id or ""
    query = (
        select(runs, incidents)
        .join(incidents, incidents.c.id == runs.c.incident)
        .where(runs.c.id == workflow_id)
        .set_label_style(LABELS)
    )
    row = (await tx.execute(query)).mappings().one_or_none()
    if row is None:
        raise _Strange("the store knows no such run")
    if row["runs_closed"] is not None or row["incidents_closed"] is not None:
        if row["runs_bound"] == run_id:
            raise Refused(f"{workflow_id}: the run or its incident is closed; nothing was done")
        raise _Strange("the run is over", incident=row["runs_incident"])
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
        asked_by=tuple(row["incidents_asked_by"] or ()),
    )


async def _alarm(context: Context, strange: _Strange) -> NoReturn:
    """Refuse, and raise the alarm."""
    await raise_alarm(context, strange.said, "Nothing was done", incident=strange.incident)
    workflow_id = activity.info().workflow_id
    raise Refused(f"{workflow_id or 'a stand-alone activity'}: {strange.said}; nothing was done")


async def raise_alarm(
    context: Context, said: str, left: str, *, incident: str | None = None
) -> None:
    """Write down and tell people of work that was not ours: an attack or a bug, and both need a person."""
    info = activity.info()
    workflow_id = info.workflow_id or ""
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
            key=f"forged/{workflow_id}/{info.workflow_run_id}",
            incident=incident,
            audience="security",
            loud=True,
            subject=f"Refused work that was not ours: {workflow_id}",
            body=f"{said}. {left}. Somebody can reach Temporal who should not.",
        )
