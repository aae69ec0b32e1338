"""Figures: quantiles, processor time and memory of processes."""

import os
import resource
import statistics
from collections.abc import Sequence
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which *share* of *values* lie."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def spread(values: Sequence[float], unit: str = "ms", scale: float = 1e3) -> str:
    """Median, 99th percentile and count, in words."""
    middle, late = statistics.median(values) * scale, quantile(values, 0.99) * scale
    return f"p50 {middle:.1f} {unit}  p99 {late:.1f} {unit}  n {len(values)}"


def family(pid: int) -> list[int]:
    """*pid* and all its living descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def children_seconds() -> float:
    """Processor time of all children that have ended: a busy machine does not make it longer."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time that *pids* have used, user and system."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


def memory_mib(pids: Sequence[int]) -> float:
    """Proportional set size of *pids*: shared pages are counted once, by share."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024
