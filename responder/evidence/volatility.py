"""
The order of volatility of RFC 3227 section 2.1, as something that is checked.

A step may begin only when every step that is more volatile is finished or waived with a reason.
Where the RFC has one row, ours has one before and one after the first file is read: reading a file
moves its access time, so the times of a file system are taken before anything in it is opened.
"""

from enum import IntEnum

from pydantic import Field

from responder.incident import Frozen, Name


class Volatility(IntEnum):
    """How soon something is lost; smaller is sooner. The rows of RFC 3227 section 2.1, in its order."""

    REGISTERS = 10  # "registers, cache"
    KERNEL_TABLES = 20  # "routing table, arp cache, ... kernel statistics"
    PROCESS_TABLE = 21  # "... process table ..."
    MEMORY = 22  # "... memory"
    TEMPORARY_TIMES = 30  # "temporary file systems": their names and times
    TEMPORARY_FILES = 31  # the same: their contents
    DISK_TIMES = 40  # "disk": names and times
    DISK_FILES = 41  # the same: contents
    REMOTE_LOGS = 50  # "remote logging and monitoring data that is relevant to the system"
    TOPOLOGY = 60  # "physical configuration, network topology"
    ARCHIVES = 70  # "archival media"


class Waiver(Frozen):
    """That a step is left out, why, and who said so."""

    step: Name = Field(description="The step that is left out.")
    reason: str = Field(min_length=8, max_length=500, description="Why; a few words at least.")
    by: str = Field(default="", description="Who said so; empty: the request itself.")


class Step(Frozen):
    """Part of a collection: everything in it is lost about equally soon."""

    name: Name
    volatility: Volatility


class Begun(Frozen):
    """That a step may be worked on: only `Order.begin` makes it."""

    step: Step


class OutOfOrder(ValueError):
    """A step was to begin before a more volatile one; the message names both."""


class Order(Frozen):
    """The steps of one collection, and how far it is. Each change returns a new order."""

    steps: tuple[Step, ...]
    finished: frozenset[str] = frozenset()
    waived: tuple[Waiver, ...] = ()

    def open_before(self, name: str) -> tuple[Step, ...]:
        """The more volatile steps that are neither finished nor waived, the most volatile first."""
        step = self._step(name)
        settled = self.finished | {waiver.step for waiver in self.waived}
        before = [s for s in self.steps if s.volatility < step.volatility and s.name not in settled]
        return tuple(sorted(before, key=lambda s: s.volatility))

    def begin(self, name: str) -> Begun:
        """Leave to work on a step. Raises `OutOfOrder` while a more volatile one is open."""
        step = self._step(name)
        if before := self.open_before(name):
            open_ones = ", ".join(f"{s.name} ({s.volatility.name})" for s in before)
            raise OutOfOrder(
                f"{name} ({step.volatility.name}) is less volatile than {open_ones}, which must be "
                "finished or waived with a reason first (RFC 3227 section 2.1)"
            )
        if self.waived_for(name):
            raise OutOfOrder(f"{name} is waived and was to begin all the same")
        return Begun(step=step)

    def finish(self, begun: Begun) -> "Order":
        """The order once *begun* is done."""
        self._step(begun.step.name)
        return self.model_copy(update={"finished": self.finished | {begun.step.name}})

    def waive(self, waiver: Waiver) -> "Order":
        """The order with a step left out."""
        self._step(waiver.step)
        if waiver.step in self.finished:
            raise OutOfOrder(f"{waiver.step} is finished and was to be waived")
        if self.waived_for(waiver.step):
            return self
        return self.model_copy(update={"waived": (*self.waived, waiver)})

    def waived_for(self, name: str) -> Waiver | None:
        """The waiver of a step, if it has one."""
        return next((waiver for waiver in self.waived if waiver.step == name), None)

    def _step(self, name: str) -> Step:
        for step in self.steps:
            if step.name == name:
                return step
        known = ", ".join(step.name for step in self.steps)
        raise OutOfOrder(f"{name} is no step of this collection; its steps: {known}")
