"""Who sees which steps a playbook goes through when it is rehearsed: every step, and what followed it."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

from temporalio import workflow

from responder.authoring.graph import END, Place, instead
from responder.workflows import playbook as home
from responder.workflows.perform import FINISH
from responder.workflows.playbook import Playbook

_DO = Playbook.do.__code__
_WORDS = ("do", "do_in_waves", "look_up", "announce", "escalate", "contained")


@dataclass
class Witness:
    """The steps that were gone through, as calls in the text of each playbook."""

    executed: dict[str, set[tuple[Place | None, Place]]] = field(default_factory=dict)
    _last: dict[tuple[str, int], Place] = field(default_factory=dict)

    def edges(self, playbook: str) -> set[tuple[Place | None, Place]]:
        """Which call followed which in runs of *playbook*; None is the start."""
        return self.executed.get(playbook, set())

    def note(self, frame: FrameType) -> None:
        """One step is called from *frame*."""
        if frame.f_code.co_filename == home.__file__:
            before = self._last.get((workflow.info().run_id, id(asyncio.current_task())))
            if frame.f_code is _DO and before is not None:
                self._came_to(
                    instead(before)
                )  # what `otherwise` says; it is called nowhere else there
            return  # a step that is made of steps
        line, _, column, _ = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
        place = (Path(frame.f_code.co_filename).name, line or frame.f_lineno, column or 0)
        self._came_to(place)

    def ended(self) -> None:
        """The run came to its end, and did not fail."""
        self._came_to(END)

    def _came_to(self, place: Place) -> None:
        info, task = workflow.info(), asyncio.current_task()
        key = (info.run_id, id(task))
        before = self._last.get(key)
        main = all(run != info.run_id for run, _ in self._last)
        if before is not None or main:  # what another task does first has no one step before it
            self.executed.setdefault(info.workflow_type, set()).add((before, place))
        self._last[key] = place


@contextmanager
def witnessing() -> Iterator[Witness]:
    """Note the steps of all playbooks that run in this process meanwhile."""
    witness = Witness()
    originals = {word: getattr(Playbook, word) for word in _WORDS}
    for word, original in originals.items():
        setattr(Playbook, word, _noted(original, witness))
    module: Any = home  # `perform_here` is what it imports, and no name of its own
    performs = module.perform_here
    module.perform_here = _finishing(performs, witness)
    try:
        yield witness
    finally:
        module.perform_here = performs
        for word, original in originals.items():
            setattr(Playbook, word, original)


def _noted(original: Callable[..., Any], witness: Witness) -> Callable[..., Any]:
    def noted(self: Playbook, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - the step's own
        witness.note(sys._getframe(1))  # noqa: SLF001 - the one way to know which call it is
        return original(self, *arguments, **named)

    return noted


def _finishing(original: Callable[..., Any], witness: Witness) -> Callable[..., Any]:
    def finishing(verb: Any, arg: Any, summary: str) -> Any:  # noqa: ANN401 - as `perform_here`
        if verb is FINISH and not arg.failed:
            witness.ended()
        return original(verb, arg, summary)

    return finishing
