"""
Who may hold a connection to the API, and for how long.

A client that sends nothing, or a byte a second, costs it little and us a connection, so only what
is worked on counts against the limit of requests; whoever makes us wait has a deadline, and is the
first to go when there are too many.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import ClassVar, Final, Literal

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from responder.incident import Network
from responder.process_settings import Connections

Address = IPv4Address | IPv6Address
log = structlog.get_logger(__name__)

# What a connection waits for its client to do: begin another request, end a head, end a body that
# a handler wants or one that was answered already, or read the rest of the last answer.
Waits = Literal["next", "head", "body", "rest", "gone"]
_LATE: Final[dict[str | None, str]] = {
    "next": "silent",
    "head": "slow_head",
    "body": "slow_body",
    "rest": "slow_body",
}
_SWEEP_SECONDS: Final = 1.0
_TELL_SECONDS: Final = 60.0
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Guard:
    """All connections of one server, and which of them wait for their client, longest first."""

    def __init__(self, limits: Connections, proxies: Sequence[Network] = ()) -> None:
        self._limits = limits
        self._proxies = proxies
        self._seconds: dict[Waits, float] = {
            "next": limits.idle.total_seconds(),
            "head": limits.head.total_seconds(),
            "body": limits.body.total_seconds(),
            "rest": limits.body.total_seconds(),
            "gone": limits.unread.total_seconds(),
        }
        self._all: dict[GuardedProtocol, str] = {}
        self._of: dict[str, dict[GuardedProtocol, None]] = {}
        self._waiting: dict[GuardedProtocol, None] = {}
        self._bodies: set[GuardedProtocol] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed: Counter[str] = Counter()
        self._told = float("-inf")

    def full(self, handlers: int) -> bool:
        """Whether as much is worked on as may be, with *handlers* running or waiting for a body."""
        return handlers - len(self._bodies) >= self._limits.requests

    def admit(self, one: "GuardedProtocol") -> bool:
        """Let a connection in, if need be in place of another; False if all others are at work."""
        address = address_of(one.client[0] if one.client else "::")
        whose = party(address)
        own = self._of.get(whose, {})
        if len(own) >= self._limits.most_of_one and not self._is_proxy(address):
            fits = self._evict(own, "too_many_of_one_address")
        else:
            fits = len(self._all) < self._limits.most or self._evict(self._waiting, "too_many")
        if not fits:
            self._closed["refused"] += 1
            return False
        self._of.setdefault(whose, {})[one] = None
        self._all[one] = whose
        if self._timer is None:
            self._timer = one.loop.call_later(_SWEEP_SECONDS, self._sweep, one.loop)
        return True

    def note(self, one: "GuardedProtocol", waits: Waits | None) -> None:
        """From now on *one* waits for this; None: its request is worked on."""
        if one not in self._all:
            return
        self._waiting.pop(one, None)
        self._bodies.discard(one)
        if waits is not None:
            self._waiting[one] = None
            one.deadline = one.loop.time() + self._seconds[waits]
        if waits == "body":
            self._bodies.add(one)

    def forget(self, one: "GuardedProtocol") -> None:
        """It is gone."""
        if (whose := self._all.pop(one, None)) is None:
            return
        self._waiting.pop(one, None)
        self._bodies.discard(one)
        own = self._of[whose]
        del own[one]
        if not own:
            del self._of[whose]

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)

    def _evict(self, among: dict["GuardedProtocol", None], why: str) -> bool:
        """Close the one that has been waited for longest, at once: its file is needed."""
        oldest = next((one for one in self._waiting if one in among), None)
        if oldest is None:
            return False
        self.forget(oldest)
        oldest.transport.abort()
        self._closed[why] += 1
        return True

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now, unread = loop.time(), self._seconds["gone"]
        for one in list(self._all):
            if one.transport.is_closing() and one.waits != "gone":
                one.look()
            elif one.waits == "body" and one.flow.read_paused:
                self.note(one, "body")  # it is we who do not read
            elif one.waits is not None and one.deadline <= now:
                self._closed[one.give_up()] += 1
            elif one.stalled is not None and one.stalled + unread <= now:
                self._closed["answer_not_read"] += 1
                one.transport.abort()
        self._tell(now)
        more = self._all or self._closed
        self._timer = loop.call_later(_SWEEP_SECONDS, self._sweep, loop) if more else None

    def _tell(self, now: float) -> None:
        """What was closed, in one line a minute: an attack must not fill the log."""
        if self._closed and now >= self._told + _TELL_SECONDS:
            pressed = self._closed.keys() & {"too_many", "too_many_of_one_address", "refused"}
            tell = log.warning if pressed else log.info
            tell("connections_closed", **self._closed, open=len(self._all))
            self._closed.clear()
            self._told = now


class GuardedProtocol(H11Protocol):
    """uvicorn's protocol, which tells its guard what it waits for."""

    guard: ClassVar[Guard]
    waits: Waits | None = None
    deadline = 0.0
    stalled: float | None = None
    _of_request: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask whether there is room."""
        super().connection_made(transport)
        if self.guard.admit(self):
            self.look()
        else:
            self.connections.discard(self)
            transport.write(_FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the guard."""
        self.guard.forget(self)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take in what was sent; uvicorn answers a request with 503 where its own limit is reached."""
        self.limit_concurrency = 0 if self.guard.full(len(self.tasks)) else None
        super().handle_events()
        self.look()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self.look()

    def pause_writing(self) -> None:
        """The client does not read what we write."""
        self.stalled = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self.stalled = None
        super().resume_writing()

    def look(self) -> None:
        """Tell the guard, if what is waited for is another thing, or the same of another request."""
        waits = self._awaited()
        if waits != self.waits or self.cycle is not self._of_request:
            self.waits, self._of_request = waits, self.cycle
            self.guard.note(self, waits)

    def give_up(self) -> str:
        """The client took too long; returns what it was late with."""
        late = self.waits
        if late == "gone":
            self.transport.abort()
            return "answer_not_read"
        if late == "next" or (late == "head" and not self.conn.trailing_data[0]):
            late = "next"  # nothing was begun, so nothing is answered
            self.transport.close()
        else:
            self._time_out()
        self.look()
        return _LATE[late]

    def _awaited(self) -> Waits | None:
        if self.transport.is_closing():
            return "gone"
        theirs, answered = self.conn.their_state, self.cycle is None or self.cycle.response_complete
        if theirs is h11.IDLE:
            return "head" if self.cycle is None or self.conn.trailing_data[0] else "next"
        if theirs is h11.SEND_BODY:
            return "rest" if answered else "body"
        return "gone" if answered else None

    def _time_out(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whoever waits for the body learns that there is none
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [("content-length", "0"), ("connection", "close")]
            answer = h11.Response(status_code=408, headers=headers, reason="Request Timeout")
            self.transport.write(self.conn.send(answer))
            self.conn.send(h11.EndOfMessage())
        self.transport.close()


def guarded(limits: Connections, proxies: Sequence[Network] = ()) -> type[GuardedProtocol]:
    """What uvicorn makes of every connection, with a guard over all of one server."""
    return type("Guarded", (GuardedProtocol,), {"guard": Guard(limits, proxies)})


def address_of(host: str) -> Address:
    """An address as its family has it; IPv4 may come in IPv6's clothes, and IPv6 with its interface."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def party(address: Address) -> str:
    """Who is one client: an IPv4 address, or the /64 that one customer has of IPv6."""
    if isinstance(address, IPv4Address):
        return str(address)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
