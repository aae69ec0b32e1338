"""
The blocklist feed: rows that firewalls poll. Contained means polled since by all of them.

A firewall acts on its own copy: it follows an undo, or an end, when it polls next, and may keep the
last list for as long as we do not answer ("Threat feeds" of FortiGate's guide says it does).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue
from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError

from activities.block import name_of
from activities.profile import Profile, Proof
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Network
from responder.points import FeedPoint
from responder.store import Store
from responder.store.database import Transaction
from responder.store.feeds import feed_entries, feed_polls
from responder.store.rows import Row, insert_new

_NEVER = datetime.max.replace(tzinfo=UTC)  # the end of an entry without one, told from no entry

PROFILE = Profile(
    name="blocklist feed",
    answers=("Block",),
    changes="a line of a list that firewalls poll",
    permissions=("each consumer's own token",),
    verified="every consumer that the settings name has polled since the change",
    undone="the line is gone; a firewall follows when it polls next, and may keep its copy if we are dead",
    proof=Proof.REAL,
    against="two consumers that poll our own route over HTTP; never a vendor's firewall",
)


@contextmanager
def _asking(name: str) -> Iterator[None]:
    """Raise `Unreachable` where the store does not answer: what is listed is then unknown."""
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise Unreachable(f"{name}: the store did not answer: {type(error).__name__}") from error


class FeedBlock:
    """One network on one feed: whether every consumer has been handed it."""

    expires_by_itself = True

    def __init__(self, store: Store, network: Network, point: FeedPoint) -> None:
        self._store = store
        self._network = name_of(network)
        self._feed = point.name
        self._consumers = [consumer.name for consumer in point.consumers]
        self._written = False
        self.name = f"block/{point.name}/{self._network}"

    async def read(self) -> Found[bool]:
        with _asking(self.name):
            entry, polled, now = await self._listed()
        if entry is None or (entry.until is not None and entry.until <= now):
            return Found(state=False)
        late = [c for c in self._consumers if c not in polled or polled[c] < entry.changed]
        if self._consumers and not late:
            return Found(state=True, expires=entry.until)
        if not self._written:
            # Not contained, and to be written: else one silent consumer would keep a longer hold
            # from reaching the others. It has an end, so an undo removes it.
            return Found(state=False, expires=entry.until or _NEVER)
        if not late:
            raise Unreachable(f"{self.name}: listed, but no consumer polls this feed")
        raise Unreachable(f"{self.name}: listed, but not yet polled by {', '.join(late)}")

    async def write(
        self, state: bool, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        with _asking(self.name):
            await self._write(state, until, tag)
        self._written = state

    async def _write(self, state: bool, until: datetime | None, tag: str) -> None:
        async with self._store.transaction() as tx:
            now = self._store.now()
            this = (feed_entries.c.feed == self._feed, feed_entries.c.network == self._network)
            query = select(feed_entries).where(*this)
            entry = (await tx.execute(query)).one_or_none()
            if state and entry is not None and entry.until == until:
                return
            await tx.execute(delete(feed_entries).where(*this))
            if state:
                changed = await self._change(tx, now)
                if entry is not None and (entry.until is None or entry.until > now):
                    changed = entry.changed  # who has polled since has it already
                row = {
                    "feed": self._feed,
                    "network": self._network,
                    "until": until,
                    "tag": tag,
                    "changed": changed,
                }
                await insert_new(tx, feed_entries, row)

    async def _listed(self) -> tuple[Row | None, dict[str, datetime], datetime]:
        """The entry if there is one, when each consumer polled last, and what time it is."""
        async with self._store.reading() as tx:
            query = select(feed_entries).where(
                feed_entries.c.feed == self._feed, feed_entries.c.network == self._network
            )
            entry = (await tx.execute(query)).one_or_none()
            polls = select(feed_polls.c.consumer, feed_polls.c.polled).where(
                feed_polls.c.feed == self._feed
            )
            polled = {row.consumer: row.polled for row in (await tx.execute(polls)).all()}
            return entry, polled, self._store.now()

    async def _change(self, tx: Transaction, now: datetime) -> datetime:
        """*now*, and after every poll that was before, though another machine's clock be ahead."""
        query = select(func.max(feed_polls.c.polled)).where(feed_polls.c.feed == self._feed)
        last = (await tx.execute(query)).scalar_one_or_none()
        return now if last is None else max(now, last + timedelta(microseconds=1))
