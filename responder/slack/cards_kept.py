"""
Keeping Slack up to date: one process of several does it, the newest state of each card, at Slack's pace.

What is shown is compared with the facts, so nothing is queued that could be lost or sent twice: while
Slack is down cards fall behind, and when it is back each is sent once, as things are by then.
"""

import asyncio
import secrets
import time
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import update

from responder.slack import shown
from responder.slack.card import card, offers, thread
from responder.slack.client import Slack
from responder.slack.errors import SlackError, SlackRefused, SlackUnreachable
from responder.slack.showing import Showing
from responder.store import Store
from responder.store.chat import card_keeper
from responder.store.rows import insert_new

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 0.5
_HELD = timedelta(seconds=20)  # how long the claim lasts: another process takes over after that
_RENEWED = timedelta(seconds=10)
_LATER = 30.0  # seconds until what could not be shown by a fault of ours is tried again
_SOON = 15.0  # seconds: a longer wait that Slack asks for counts as down
_FIRST_PROBE, _LONGEST_PROBE = 1.0, 30.0  # seconds between tries while Slack is down
# Slack answers, and will not do anything for us until a person mends something.
_BROKEN = frozenset(
    {
        "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired",
        "missing_scope", "not_allowed_token_type", "channel_not_found", "not_in_channel", "is_archived",
        "restricted_action", "team_access_not_granted", "access_denied", "no_permission",
        "ekm_access_denied", "org_login_required", "team_added_to_org",
    }
)  # fmt: skip


class Keeper:
    """Keeps every card up to date for as long as it holds the claim."""

    def __init__(self, store: Store, slack: Slack, origin: str) -> None:
        self._store = store
        self._slack = slack
        drawings = {shown.CARD: card, shown.LOG: thread}
        self._showing = Showing(store, slack, origin, drawings, offers)
        self._holder = secrets.token_hex(8)
        self._until: datetime | None = None
        self._down = False
        self._probes = 0
        self._probe_at = 0.0
        self._later: dict[str, float] = {}

    async def run(self) -> None:
        """Keep them until cancelled."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - the keeper must outlive any one fault
                log.error("cards_not_kept", error=f"{type(error).__name__}: {error}"[:500])
            await asyncio.sleep(_EVERY_SECONDS)

    async def once(self) -> int:
        """One round; returns how many things it showed."""
        done = 0
        if not await self._claimed() or time.monotonic() < self._probe_at:
            return done
        async with self._store.reading() as tx:
            now = self._store.now()
            due = [
                *await shown.due_texts(tx, now),
                *await shown.due_cards(tx, now),
                *await shown.due_logs(tx, now),
            ]
        if self._down and not due:
            await self._probe()
        for one in due:
            if self._showing.wait(one) > 0 or time.monotonic() < self._later.get(one.id, 0.0):
                continue
            if not await self._claimed():
                break
            try:
                await self._showing.show(one)
            except SlackError as error:
                log.warning("not_shown_in_slack", about=one.id, said=error.said[:200])
                if _is_down(error):
                    await self._went_down(error)
                    break
            except Exception as error:  # noqa: BLE001 - one that cannot be shown must not hold up the others
                self._later[one.id] = time.monotonic() + _LATER
                found = f"{type(error).__name__}: {error}"[:300]
                log.error("not_shown_in_slack", about=one.id, error=found)
            else:
                done += 1
                self._later.pop(one.id, None)
                await self._is_up()
        return done

    async def _claimed(self) -> bool:
        """Whether this process is the one; renewed half-way, taken over when another's has run out."""
        now = self._store.now()
        if self._until is not None and now < self._until - _RENEWED:
            return True
        async with self._store.transaction() as tx:
            row = await shown.keeper(tx, lock=True)
            if row is not None and row["holder"] != self._holder and row["until"] > now:
                self._until = None
                return False
            values = {"holder": self._holder, "until": now + _HELD}
            if row is None:
                await insert_new(tx, card_keeper, {"id": 1, "said": "", **values})
            else:
                await tx.execute(update(card_keeper).values(values))
                self._down = row["down"] is not None
        self._until = now + _HELD
        return True

    async def _went_down(self, error: SlackError) -> None:
        wait = min(_FIRST_PROBE * 2 ** min(self._probes, 8), _LONGEST_PROBE)
        self._probes += 1
        self._probe_at = time.monotonic() + wait
        if not self._down:
            self._down = True
            log.error(
                "slack_down", said=error.said[:300], doing="people are told by other channels"
            )
            await self._note(down=self._store.now(), said=error.said[:500])

    async def _probe(self) -> None:
        """Nothing is due that would show whether Slack is back, so it is asked."""
        try:
            await self._slack.call("auth.test")
        except SlackError as error:
            await self._went_down(error)
        else:
            await self._is_up()

    async def _is_up(self) -> None:
        self._probes, self._probe_at = 0, 0.0
        if self._down:
            self._down = False
            log.info("slack_back", doing="bringing every card up to date, each once")
            await self._note(down=None, said="")

    async def _note(self, **values: Any) -> None:  # noqa: ANN401 - of the row
        async with self._store.transaction() as tx:
            await tx.execute(update(card_keeper).values(values))


def _is_down(error: SlackError) -> bool:
    match error:
        case SlackUnreachable(wait=wait):
            return wait is None or wait > _SOON
        case SlackRefused(error=code):
            return code in _BROKEN
    return False
