"""Hashing for whoever comes: how much of it there is at once."""

import asyncio
import threading

import pytest

from responder.crypto.hard_work import MOST, in_turn
from responder.errors import Refused


async def test_two_are_at_work_and_whoever_is_too_many_is_turned_away() -> None:
    go_on, at_work, most = threading.Event(), [], []

    def work(name: str) -> str:
        at_work.append(name)
        most.append(len(at_work))
        go_on.wait(30)
        at_work.remove(name)
        return name

    jobs = [asyncio.create_task(in_turn(work, str(n))) for n in range(MOST)]
    await asyncio.sleep(0)
    with pytest.raises(Refused, match=f"{MOST} passwords and codes are being checked already"):
        await in_turn(work, "one more")

    go_on.set()
    assert await asyncio.gather(*jobs) == [str(n) for n in range(MOST)]
    assert max(most) <= 2
    assert await in_turn(str.upper, "there is room again") == "THERE IS ROOM AGAIN"


async def test_who_goes_away_makes_no_room_while_the_work_is_done() -> None:
    go_on = threading.Event()
    jobs = [asyncio.create_task(in_turn(lambda _: go_on.wait(30), str(n))) for n in range(2)]
    await asyncio.sleep(0.05)  # both are in their threads
    for job in jobs:
        job.cancel()
    more = [asyncio.create_task(in_turn(str, "x")) for _ in range(MOST - 2)]
    await asyncio.sleep(0)
    with pytest.raises(Refused):
        await in_turn(str, "x")
    go_on.set()
    assert await asyncio.gather(*more) == ["x"] * (MOST - 2)
