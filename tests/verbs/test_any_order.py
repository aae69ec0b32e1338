"""Takes, ends, faults, undos and sweeps in any order: what always holds, and where it ends."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from responder.audit import verify
from responder.errors import ActionError, Refused
from responder.store import Store
from tests.databases import ManualClock, hasty
from tests.verbs.desk import ATTACKER, Desk, block
from tests.verbs.world import Crash, crash, die, unreachable

Answer = TypeVar("Answer")
FRA = f"block/fra1/{ATTACKER}"
_MOMENTS = ("before_read", "after_read", "before_write", "after_write")


class Leases(RuleBasedStateMachine):
    """One address at one point, blocked by up to three incidents."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.mkdtemp(prefix="responder-leases-")
        path = Path(self.folder) / "responder.sqlite"
        shutil.copy(self.template, path)
        self.clock = ManualClock()
        self.store = hasty(Store.at(path, clock=self.clock))
        self.desk = Desk(self.store, self.clock)
        del self.desk.world.points["ams1"]
        self.point = self.desk.fra
        self.steps: dict[str, int] = {}
        self.base = False

    def teardown(self) -> None:
        try:
            self._settles()
        finally:
            self.run(self.store.close())
            self.loop.close()
            shutil.rmtree(self.folder)

    def run(self, what: Coroutine[Any, Any, Answer]) -> Answer:
        return self.loop.run_until_complete(what)

    def attempt(self, what: Coroutine[Any, Any, object]) -> None:
        """A worker's try: it may be lost, or hear nothing."""
        with suppress(ActionError):
            try:
                self.run(what)
            except Crash:
                self.run(die())

    @initialize(present=st.booleans(), expires_by_itself=st.booleans())
    def begin(self, present: bool, expires_by_itself: bool) -> None:
        self.base, self.point.expires_by_itself = present, expires_by_itself
        if present:
            self.point.things[ATTACKER] = (True, None)
        for number in (1, 2, 3):
            self.run(self.desk.open_run(f"IR-{number}"))

    @rule(incident=st.integers(1, 3), minutes=st.sampled_from([1, 5, 60]))
    def take(self, incident: int, minutes: int) -> None:
        run = f"IR-{incident}/authentication-attack/1"
        step = self.steps[run] = self.steps.get(run, 0) + 1
        self.attempt(self.desk.do(run, block(minutes=minutes), step=step))

    @rule(incident=st.integers(1, 3))
    def end(self, incident: int) -> None:
        with suppress(Refused):  # nothing of it lives
            self.run(self.desk.end(FRA, incident=f"IR-{incident}"))

    @rule(seconds=st.sampled_from([1, 30, 70, 400]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(moment=st.sampled_from(_MOMENTS), fatal=st.booleans())
    def fail_next(self, moment: str, fatal: bool) -> None:
        getattr(self.point, moment).append(crash if fatal else unreachable())

    @precondition(lambda self: not self.point.down)
    @rule()
    def go_down(self) -> None:
        self.point.down = True

    @precondition(lambda self: self.point.down)
    @rule()
    def come_back(self) -> None:
        self.point.down = False

    @rule()
    def lift(self) -> None:
        self.attempt(self.desk.lift(FRA))

    @rule()
    def sweep(self) -> None:
        self.attempt(self.desk.sweep())

    @rule()
    def lose_it(self) -> None:
        """Somebody flushes the firewall."""
        if not self.base:
            self.point.things.pop(ATTACKER, None)

    def live(self) -> list[Any]:
        now = self.clock.now
        held = self.run(self.desk.held())
        return [h for h in held if h.ended is None and (h.until is None or h.until > now)]

    @invariant()
    def the_record_is_whole(self) -> None:
        assert self.run(verify(self.store))[1] is None

    @invariant()
    def what_is_verified_and_held_was_never_undone(self) -> None:
        """The last thing that reached the point under a live hold is never an undo."""
        if self.live() and self.point.writes and not self.base:
            row = self.run(self.desk.row(FRA))
            if row.state == "held" and row.outcome == "verified":
                assert self.point.writes[-1].state is True

    @invariant()
    def what_is_learned_as_the_base_was_there_before_us(self) -> None:
        if self.run(self.desk.held()):
            row = self.run(self.desk.row(FRA))
            if row.base_known and row.state != "clear":
                assert row.base is self.base

    def _settles(self) -> None:
        """Once faults stop: what is held is there, and what nothing holds is as it was."""
        self.point.down = False
        for moment in _MOMENTS:
            getattr(self.point, moment).clear()
        self._sweep_for(minutes=4)
        if self.live():
            assert self.point.holds(ATTACKER) is True
            assert self.run(self.desk.row(FRA)).outcome == "verified"
        for incident in (1, 2, 3):
            self.end(incident)
        self._sweep_for(minutes=2)
        assert self.point.holds(ATTACKER) is self.base
        self.clock.advance(hours=2)
        assert self.point.holds(ATTACKER) is self.base

    def _sweep_for(self, *, minutes: int) -> None:
        for _ in range(minutes * 6):
            self.clock.advance(seconds=10)
            self.run(self.desk.sweep())


def test_leases_keep_their_promises_in_any_order(sqlite_template: Path) -> None:
    class Ready(Leases):
        template = sqlite_template

    run_state_machine_as_test(
        Ready,
        settings=settings(
            max_examples=12, stateful_step_count=20, deadline=None, derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )  # fmt: skip
