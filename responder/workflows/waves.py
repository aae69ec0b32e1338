"""
Several changes in waves: one first, then some, then the rest, for as long as nothing surprises. Pure.

A wave is a surprise if any of its receipts is refused or not verified at every enforcement point.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from responder.plan import Outcome, Receipt

Item = TypeVar("Item")


def waves(items: Sequence[Item], sizes: Sequence[int] = (1, 5)) -> Iterator[Sequence[Item]]:
    """
    *items* in order, as many at once as *sizes* say, and the rest in one last wave.

    Raises `ValueError` for a size below one.
    """
    if any(size < 1 for size in sizes):
        raise ValueError(f"expected waves of at least one, found {', '.join(map(str, sizes))}")
    start = 0
    for size in (*sizes, max(len(items), 1)):
        if start >= len(items):
            return
        yield items[start : start + size]
        start += size


def surprise(receipts: Sequence[Receipt]) -> str:
    """What was not done as it should be, each with where and why; empty if all was."""
    said = []
    for receipt in receipts:
        if receipt.refused:
            said.append(f"{receipt.summary}: refused, {receipt.refused}")
            continue
        bad = [p for p in receipt.points if p.outcome is not Outcome.VERIFIED]
        where = [f"{p.outcome} at {p.point}{f' ({p.said})' if p.said else ''}" for p in bad]
        if where or not receipt.points:
            said.append(f"{receipt.summary}: {', '.join(where) or 'at no enforcement point'}")
    return "; ".join(said)
