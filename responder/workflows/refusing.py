"""Updates that nobody of ours sends: refused, and left in the history for the watch to see."""

import inspect
from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue

_MOST = 20  # accepted in one history: enough to be seen, too few to fill it


class RefusesUpdates:
    """
    A workflow that accepts any update, does nothing and answers with a refusal.

    Temporal writes nothing down about an update for which there is no handler: a stranger could try
    any number of them unseen.
    """

    _refused = 0  # of the class, so that no subclass has to call an __init__ of ours

    @workflow.update(dynamic=True)
    def refuse_update(self, name: str, args: Sequence[RawValue]) -> str:
        """Say that nothing was done."""
        self._refused += 1
        return f"{name[:100]}: this workflow takes no such update; nothing was done"

    @refuse_update.validator
    def _only_so_many(self, name: str, args: Sequence[RawValue]) -> None:
        if self._refused >= _MOST:
            raise ValueError(f"{name[:100]}: this workflow takes no updates")


def leave_dynamic_updates_to(author: type[RefusesUpdates]) -> None:
    """An author's own handler of any update takes the place of ours: Temporal allows one."""
    for name, member in inspect.getmembers(author):
        made = getattr(member, "_defn", None)
        if name != "refuse_update" and made is not None and made.name is None:
            author.refuse_update = None  # type: ignore[assignment]
