"""Looking at the suspect host before anything is taken: its clock, and the tools that will be used."""

import time

from activities.collecting.scripts import IDENTIFY, TOOLS
from activities.shell import Shell, first_line
from responder.errors import Unreachable
from responder.evidence.model import Clock, Tool

_COLUMNS = 4
_LONGEST = 120  # characters of what a tool says of itself


async def look_at_clock(shell: Shell) -> Clock:
    """
    How far the host's clock is from ours.

    The host reads its clock somewhere in the round trip; half of it is how wrong we may be.
    """
    began = time.time_ns()
    said = await shell.run("date", "-u", "+%s.%N")
    took = time.time_ns() - began
    seconds, _, nanoseconds = said.out.strip().partition(".")
    if said.status or not seconds.isdigit():
        raise Unreachable(f"the host's clock cannot be read: {first_line(said)}")
    # A date without %N (busybox) prints no digits there: whole seconds, and so half a second wrong.
    fine = nanoseconds.isdigit()
    theirs = int(seconds) * 10**9 + (int(nanoseconds[:9].ljust(9, "0")) if fine else 5 * 10**8)
    offset = theirs - (began + took // 2)
    within = took // 2 + (0 if fine else 5 * 10**8)
    return Clock(offset_ms=round(offset / 10**6), within_ms=max(1, round(within / 10**6)))


async def look_at_tools(shell: Shell) -> list[Tool]:
    """Every tool of ours that is on the host, as found: where, its digest, what it says of itself."""
    said = await shell.run("sh", "-c", IDENTIFY, "evidence", *TOOLS)
    rows = [line.split("\t") for line in said.out.splitlines()]
    found = [
        Tool(name=r[0], path=r[1], sha256=r[2], version=r[3].strip()[:_LONGEST])
        for r in rows
        if len(r) >= _COLUMNS
    ]
    if not {"sh", "sha256sum", "tee", "head"} <= {tool.name for tool in found}:
        raise Unreachable(
            f"expected sh, sha256sum, tee and head on the host, found {[t.name for t in found]}"
        )
    return found
