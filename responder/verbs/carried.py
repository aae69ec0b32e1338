"""What a plan that a worker began carries, read once for each of its holds."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import JsonValue, ValidationError
from sqlalchemy import Select, exists, select

from responder.plan import Plan
from responder.store.database import Transaction
from responder.store.leasing import leased
from responder.store.rows import Row
from responder.store.tables import holds, steps
from responder.verbs.context import Context

_MOST_KEPT = 4096


@dataclass(frozen=True)
class Carried:
    """One change of a plan: what it asks for, at which points, and for how long."""

    request: JsonValue
    resources: Mapping[str, str]
    lasts: timedelta | None
    reversible: bool


_read: OrderedDict[tuple[str, str], tuple[Carried, ...]] = OrderedDict()


def remember(key: str, digest: str, plan: Plan) -> tuple[Carried, ...]:
    """Keep what *plan*, which has *digest*, carries, so that it is not read for each of its points."""
    found = tuple(
        Carried(
            request=one.request.model_dump(mode="json"),
            resources={point.point: point.resource for point in one.points},
            lasts=one.lasts,
            reversible=one.reversible,
        )
        for one in plan.changes
    )
    _read[key, digest] = found
    if len(_read) > _MOST_KEPT:
        _read.popitem(last=False)
    return found


def every_hold() -> Select[Any]:
    """Holds with what believing them takes; where nothing was decided about one, no more is read."""
    return select(
        holds,
        steps.c.digest.label("step_digest"),
        steps.c.begun.label("step_begun"),
        steps.c.warrant.label("step_warrant"),
        exists(select(leased.c.ask).where(leased.c.hold == holds.c.id)).label("decided"),
    ).outerjoin(steps, steps.c.key == holds.c.step)


async def carried_by(context: Context, tx: Transaction, row: Row) -> Carried | None:
    """
    What of the hold's own plan a worker began at that resource; None if none did.

    So a row that names another request, another resource or another time than what was ruled on is
    nobody's, and so is one whose plan was only planned.
    """
    key, digest, begun = row["step"], row["step_digest"], row["step_begun"]
    if digest is None or row["taken"] != begun:
        return None
    index, _, point = row["id"].removeprefix(f"{key}/").partition("/")
    if not index.isdigit():
        return None
    context.warrants.unknown(
        row["step_warrant"]
    )  # reads the ring anew, where another has a key more
    begun_then = context.warrants.carried(key, digest, begun, row["step_warrant"])
    if int(index) not in begun_then:
        return None
    found = _read.get((key, digest)) or await _from_store(tx, key, digest)
    if found is None or int(index) >= len(found):
        return None
    one = found[int(index)]
    same = one.request == row["request"] and one.resources.get(point) == row["resource"]
    return one if same else None


async def _from_store(tx: Transaction, key: str, digest: str) -> tuple[Carried, ...] | None:
    query = select(steps.c.plan).where(steps.c.key == key)
    try:
        plan = Plan.model_validate((await tx.execute(query)).scalar_one())
    except ValidationError:
        return None
    return remember(key, digest, plan) if plan.digest == digest else None
