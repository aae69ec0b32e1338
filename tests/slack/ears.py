"""A hearing under test: it notes what reaches it, and is slow about it."""

import asyncio

from responder.slack.client import Slack
from responder.slack.heard import Heard
from responder.slack.hearing import Hearing
from responder.slack.settings import SlackSettings
from responder.store import Store
from tests.slack_double import Slack as Double

SLOW = 1.0  # seconds that answering takes: far more than an acknowledgement may


class Ears:
    """A hearing that notes what reaches it, slowly."""

    def __init__(self, store: Store, double: Double) -> None:
        self.settings = SlackSettings.model_validate(double.settings())
        self.slack = Slack(self.settings)
        self.got: list[Heard] = []
        self.hearing = Hearing(store, self.slack, self._answer)
        self.seconds = SLOW

    async def _answer(self, heard: Heard) -> None:
        self.got.append(heard)
        await asyncio.sleep(self.seconds)


async def card(double: Double) -> str:
    """A message with one button in the channel; its `ts`."""
    ts = double.ts()
    element = {"type": "button", "action_id": "approve", "value": "0" * 32,
               "text": {"type": "plain_text", "text": "Approve"}}  # fmt: skip
    double.channels["C0IR"].messages[ts] = {
        "ts": ts, "user": "U0BOT", "blocks": [{"type": "actions", "block_id": "do", "elements": [element]}]
    }  # fmt: skip
    return ts
