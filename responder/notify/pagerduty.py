"""
PagerDuty's Events API v2: one event a message, one PagerDuty incident an incident of ours.

The `dedup_key` is the incident and the audience: 500 alerts of one incident page once, and whoever is
paged about another one, or as another role, is paged anew. Source: PagerDuty's developer
documentation, "Send an alert event" (severities, 202, 429, summary of at most 1024 characters).
"""

import json
from collections.abc import Sequence
from typing import Any

from responder.notify.http import post
from responder.notify.message import Message
from responder.notify.settings import PagerDuty

_LONGEST_SUMMARY = 1024
_LONGEST_KEY = 255


class PagerDutySender:
    """One PagerDuty service."""

    def __init__(self, settings: PagerDuty) -> None:
        self._settings = settings

    async def send(self, message: Message, addresses: Sequence[str]) -> str:
        """Trigger an alert; the receipt is its dedup key. *addresses* are PagerDuty's own affair."""
        event: dict[str, Any] = {
            "routing_key": self._settings.routing_key.get_secret_value(),
            "event_action": "trigger",
            "dedup_key": f"responder/{message.incident or message.key}/{message.audience}"[
                :_LONGEST_KEY
            ],
            "payload": {
                "summary": message.subject[:_LONGEST_SUMMARY],
                "source": message.incident or "responder",
                "severity": "critical" if message.loud else "warning",
                "timestamp": message.made.isoformat(),
                "component": "responder",
                "group": message.audience,
                "custom_details": {"message": message.key, "body": message.body},
            },
        }
        headers = {"content-type": "application/json"}
        answer = await post(self._settings.url, content=json.dumps(event).encode(), headers=headers)
        return f"{answer.status_code} {event['dedup_key']}"
