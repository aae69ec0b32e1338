"""The blocklist feed: rows that firewalls poll. Contained means polled since by all of them."""

from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import delete, select

from activities.block import name_of
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Network
from responder.points import FeedPoint
from responder.store import Store
from responder.store.rows import insert_new
from responder.store.tables import feed_entries, feed_polls


class FeedBlock:
    """One network on one feed: whether every consumer has been handed it."""

    expires_by_itself = True

    def __init__(self, store: Store, network: Network, point: FeedPoint) -> None:
        self._store = store
        self._network = name_of(network)
        self._feed = point.name
        self._consumers = [consumer.name for consumer in point.consumers]
        self.name = f"block/{point.name}/{self._network}"

    async def read(self) -> Found[bool]:
        now = self._store.now()
        async with self._store.reading() as tx:
            query = select(feed_entries).where(
                feed_entries.c.feed == self._feed, feed_entries.c.network == self._network
            )
            entry = (await tx.execute(query)).one_or_none()
            polls = select(feed_polls.c.consumer, feed_polls.c.polled).where(
                feed_polls.c.feed == self._feed
            )
            polled = {row.consumer: row.polled for row in (await tx.execute(polls)).all()}
        if entry is None or (entry.until is not None and entry.until <= now):
            return Found(state=False)
        if not self._consumers:
            raise Unreachable(f"{self.name}: listed, but no consumer polls this feed")
        late = [c for c in self._consumers if c not in polled or polled[c] < entry.changed]
        if late:
            raise Unreachable(f"{self.name}: listed, but not yet polled by {', '.join(late)}")
        return Found(state=True, expires=entry.until)

    async def write(
        self, state: bool, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        now = self._store.now()
        async with self._store.transaction() as tx:
            this = (feed_entries.c.feed == self._feed, feed_entries.c.network == self._network)
            query = select(feed_entries).where(*this)
            entry = (await tx.execute(query)).one_or_none()
            if state and entry is not None and entry.until == until:
                return
            await tx.execute(delete(feed_entries).where(*this))
            if state:
                changed = entry.changed if entry is not None and (entry.until or now) > now else now
                row = {
                    "feed": self._feed,
                    "network": self._network,
                    "until": until,
                    "tag": tag,
                    "changed": changed,
                }
                await insert_new(tx, feed_entries, row)
