"""Argon2 for whoever comes: two at once, of 64 MiB each, and a short queue; nobody fills the memory by trying."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from responder.errors import Refused

T = TypeVar("T")
_AT_ONCE = 2
MOST = 16  # with those that wait; who comes later would not have waited for the answer
_POOL = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")
_PLACES = BoundedSemaphore(MOST)


async def in_turn(work: Callable[..., T], *given: str) -> T:
    """What *work* says, when its turn has come; raises `Refused` if too many wait already."""
    if not _PLACES.acquire(blocking=False):
        raise Refused(f"{MOST} passwords and codes are being checked already; wait, then try again")
    job = _POOL.submit(work, *given)
    # By the work itself: who goes away while it is done does not make room for another.
    job.add_done_callback(lambda _: _PLACES.release())
    return await asyncio.wrap_future(job)
