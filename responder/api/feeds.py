"""The blocklist feeds that firewalls poll; who was handed a list, and when, is the proof of containment."""

import base64
import binascii
import hashlib
import secrets
from datetime import datetime

from sqlalchemy import delete, insert, or_, select
from starlette.responses import PlainTextResponse, Response

from responder.api.feed_formats import Entry, Format, written
from responder.api.route import PUBLIC, Call, Problem, Routes
from responder.points import FeedPoint
from responder.store import Store
from responder.store.database import Transaction
from responder.store.feeds import feed_entries, feed_polls

routes = Routes()
_EXPECTED = (
    "expected the token of a consumer, as `Authorization: Bearer …` or as the password of the "
    "consumer's name"
)
# A proxy in between must not answer for us: what it hands out would not be known here.
_CACHING = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


@routes.get("/feeds/{name}.txt", PUBLIC)
async def feed(call: Call) -> Response:
    """
    The networks to drop, one a line, for firewalls that poll; polling is the proof of delivery.

    `?format=` is `plain` (FortiGate and most others), `paloalto`, `cisco`, `haproxy` or `nginx`; all but
    `plain` say until when and for which incident. An `If-None-Match` with the current `ETag` is
    answered 304, and has polled as well; `HEAD` has not, for it is handed nothing.
    """
    name, request = call.path("name"), call.request
    points = call.served.settings.inventory.points
    point = next((p for p in points if isinstance(p, FeedPoint) and p.name == name), None)
    if point is None:
        raise Problem(404, "no such feed")
    asked = request.query_params.get("format", Format.PLAIN.value)
    if asked not in set(Format):
        known = ", ".join(form.value for form in Format)
        raise Problem(422, f"format: expected one of {known}, found {asked[:20]!r}")
    consumer = _consumer(point, request.headers.get("authorization", ""))
    if point.consumers and consumer is None:
        challenge = {"WWW-Authenticate": f'Basic realm="{name}", Bearer realm="{name}"'}
        return PlainTextResponse(f"{_EXPECTED}\n", 401, challenge)
    takes = consumer if request.method == "GET" else None
    body = written(await _hand_over(call.served.store, name, takes), Format(asked))
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {**_CACHING, "ETag": etag}
    if _holds(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return PlainTextResponse(body, headers=headers)


async def _hand_over(store: Store, name: str, consumer: str | None) -> list[Entry]:
    """The list as it is now; that *consumer* was handed it is written down in the same transaction."""
    async with store.transaction() as tx:
        now = store.now()
        alive = or_(feed_entries.c.until.is_(None), feed_entries.c.until > now)
        query = select(feed_entries).where(feed_entries.c.feed == name, alive)
        rows = (await tx.execute(query.order_by(feed_entries.c.network))).all()
        if consumer is not None:
            # Never before a change that it was handed, though another machine's clock be ahead.
            polled = max([now, *(row.changed for row in rows)])
            await _note(tx, name, consumer, polled)
    return [Entry(network=row.network, until=row.until, incident=row.tag) for row in rows]


async def _note(tx: Transaction, name: str, consumer: str, polled: datetime) -> None:
    this = (feed_polls.c.feed == name, feed_polls.c.consumer == consumer)
    await tx.execute(delete(feed_polls).where(*this))
    await tx.execute(insert(feed_polls).values(feed=name, consumer=consumer, polled=polled))


def _consumer(point: FeedPoint, authorization: str) -> str | None:
    """
    Which consumer of *point* sends this header; None if none does.

    Firewalls that can send no header of their own sign in (RFC 7617): PAN-OS and FortiGate have a
    user name and a password for their lists.
    """
    scheme, _, sent = authorization.partition(" ")
    user, token = "", sent.strip()
    if scheme.lower() == "basic":
        try:
            user, _, token = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
    elif scheme.lower() != "bearer":
        return None
    found = None
    for consumer in point.consumers:
        is_it = secrets.compare_digest(consumer.token.get_secret_value().encode(), token.encode())
        if is_it and user in ("", consumer.name):
            found = consumer.name
    return found


def _holds(if_none_match: str, etag: str) -> bool:
    """Whether the caller says that it has the list of this ETag: RFC 9110 section 13.1.2."""
    held = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return etag in held
