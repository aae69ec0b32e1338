"""A form that is sent twice is one thing done: whoever pressed twice is answered as if they had once."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from responder.console.paths import fields

FIELD: Final = "once"  # random in every form that is shown, so that two forms are never the same
_MOST = 2000
_SEE_OTHER = 303

Work = Callable[[], Awaitable[Response]]


class Once:
    """What was sent lately by this process's pages, and what was answered; kept in memory alone."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._running: dict[str, asyncio.Future[Response | None]] = {}
        self._done: OrderedDict[str, str] = OrderedDict()

    async def answer(self, key: str, work: Work) -> Response:
        """
        *work*'s answer; the same one to whoever sends the same while it is made, or when it was good.

        What was refused is not kept: it may be sent again.
        """
        if (first := self._running.get(key)) is not None:
            answer = await asyncio.shield(first)
            return answer if answer is not None else await work()
        if (on := self._done.get(key)) is not None:
            return RedirectResponse(on, _SEE_OTHER)
        mine = self._running[key] = asyncio.get_running_loop().create_future()
        answer = None
        try:
            answer = await work()
            on = answer.headers.get("location", "")
            good = answer.status_code == _SEE_OTHER and not on.startswith("/login")
            if good and "set-cookie" not in answer.headers:
                self._done[key] = on
            while len(self._done) > self._most:
                self._done.popitem(last=False)
            return answer
        finally:
            del self._running[key]
            mine.set_result(answer)


async def key_of(request: Request) -> str:
    """What makes two sendings the same: the browser, the form and every byte in it; empty for no form of ours."""
    if request.method != "POST" or not (await fields(request)).get(FIELD):
        return ""
    parts = (request.headers.get("cookie", ""), request.headers.get("origin", ""), request.url.path)
    digest = hashlib.sha256("\n".join(parts).encode())
    digest.update(b"\n" + request.state.form)
    return digest.hexdigest()
