"""What is held at one resource: its row, its live holds, and what they want of it together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from responder.contract import Action, Request
from responder.store.database import Transaction
from responder.store.tables import holds, resources
from responder.verbs.believing import Belief, believe
from responder.verbs.carried import every_hold
from responder.verbs.context import Context

# How much longer than the lease an enforcement point itself keeps a state: long enough for our own
# undo, which is verified and audited, to come first; within the 60 s that the invariant allows.
GRACE = timedelta(seconds=20)


@dataclass(frozen=True)
class Wanted:
    """What a resource should hold, and until when."""

    state: Any
    until: datetime | None

    @property
    def kept_until(self) -> datetime | None:
        """When the enforcement point itself should end it."""
        return None if self.until is None else self.until + GRACE


@dataclass(frozen=True)
class Held:
    """A resource with its row, its live holds and their actions."""

    row: Mapping[Any, Any]
    live: Sequence[Mapping[Any, Any]]
    actions: Sequence[Action[Any]]

    @property
    def ends(self) -> list[tuple[str, datetime | None]]:
        """Which holds live, and until when each of them does."""
        return [(hold["id"], hold["until"]) for hold in self.live]

    def base(self, now: datetime) -> Any:  # noqa: ANN401 - the action's state
        """What was found before the first hold, as it would be by now."""
        action = self.actions[0]
        state = action.state().validate_python(self.row["base"])
        gone = self.row["base_expires"] is not None and self.row["base_expires"] <= now
        return action.lapsed(state) if gone else state

    def wanted(self, now: datetime) -> Wanted:
        """All live holds, oldest first, over the base."""
        state = self.base(now)
        for action in self.actions:
            state = action.desired(state)
        ends = [hold["until"] for hold in self.live]
        return Wanted(state, None if None in ends else max(ends))


async def believed(context: Context, tx: Transaction, name: str, now: datetime) -> Sequence[Belief]:
    """What is believed of every hold that there ever was on a resource, oldest first."""
    query = every_hold().where(holds.c.resource == name).order_by(holds.c.taken, holds.c.id)
    return await believe(context, tx, (await tx.execute(query)).mappings().all(), now)


async def load(context: Context, tx: Transaction, name: str) -> Held | None:
    """The resource *name* if it is held by anything that still lives, whatever rows say of it."""
    row = (
        (await tx.execute(select(resources).where(resources.c.name == name)))
        .mappings()
        .one_or_none()
    )
    if row is None or row["state"] != "held":
        return None
    context.warrants.unknown(row["base_seal"])  # reads the ring anew, where another has a key more
    if not context.warrants.base_holds(row):  # nothing is built on it; the guard tells people
        return None
    found = await believed(context, tx, name, context.store.now())
    if any(one.unsure for one in found):  # what is wanted is not known here; another worker knows
        return None
    live = [one.row for one in found if one.lives]
    if not live:
        return None
    actions = [context.kinds.action(Request.model_validate(hold["request"])) for hold in live]
    return Held(row, live, actions)
