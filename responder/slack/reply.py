"""Answering the one person who did something: privately, in one line, wherever they can see it."""

import asyncio
import time
from collections.abc import Sequence

import structlog

from responder.api.parts import Parts
from responder.slack.blocks import Json
from responder.slack.errors import SlackError
from responder.slack.heard import Heard
from responder.slack.modals import outcome
from responder.slack.wording import Prose
from responder.store.rows import Row

log = structlog.get_logger(__name__)
_LONGEST = 1_000
# An acknowledgement puts its own content into the modal. What came of it must not get there first,
# or it would be painted over; the decision itself does not wait for this.
SETTLED_SECONDS = 0.4


class Reply:
    """
    The way back to whoever did what was *heard*.

    A modal is brought to what came of it. If it was closed, or there is none, they read it in the
    channel, where only they see it. Never raises: what was recorded stands even if nobody hears of it.
    """

    def __init__(self, parts: Parts, heard: Heard) -> None:
        assert parts.slack is not None
        self._slack = parts.slack
        self._heard = heard
        self._began = time.monotonic()
        self.channel = heard.channel
        """Where they read it if there is neither an address to answer to nor a modal."""

    @property
    def view(self) -> str:
        """The modal that was sent off; empty if there is none."""
        found = self._heard.payload.get("view")
        name = found.get("id") if isinstance(found, dict) else None
        return name if self._heard.kind == "modal" and isinstance(name, str) else ""

    async def say(self, said: object, blocks: Sequence[Json] | None = None) -> None:
        """One line for them alone; with *blocks*, those, and the line for who only hears it."""
        text = Prose(said).within(_LONGEST)
        if self.view:
            view = self._heard.payload["view"]
            kind, name = str(view.get("callback_id")), str(view.get("private_metadata") or "-")
            if await self.modal(outcome(kind, text, name)):
                return
        try:
            if self._heard.response_url:
                await self._slack.respond(self._heard.response_url, blocks, text)
            elif self.channel:
                await self._slack.ephemeral(self.channel, self._heard.user, blocks, text)
        except SlackError as error:
            log.warning("slack_person_not_told", kind=self._heard.kind, said=error.said[:200])

    async def modal(self, view: Json) -> bool:
        """Bring the modal that was sent off to *view*, or open it; returns whether they see it."""
        try:
            if self.view:
                await asyncio.sleep(max(0.0, self._began + SETTLED_SECONDS - time.monotonic()))
                await self._slack.update_modal(self.view, view)
            else:
                await self._slack.open_modal(self._heard.trigger_id, view)
        except SlackError as error:
            log.warning("slack_modal_not_shown", kind=self._heard.kind, said=error.said[:200])
            return False
        return True


def of_button(row: Row | None) -> str:
    """The line for a button that is nobody's."""
    return (
        "Nothing was done: this button is not of this card. Look at the newest card of the incident, or type "
        "/ir status"
        if row is None
        else f"Nothing was done: that button is of {row['incident']}; use the one on its own card"
    )
