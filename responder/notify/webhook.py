"""A signed webhook, as the Standard Webhooks specification (1.0) writes it."""

import base64
import hmac
import json
import time
from collections.abc import Sequence

from responder.notify.http import post
from responder.notify.message import Message
from responder.notify.settings import Webhook


class WebhookSender:
    """One receiver."""

    def __init__(self, settings: Webhook) -> None:
        self._settings = settings

    async def send(self, message: Message, addresses: Sequence[str]) -> str:
        """Post it; the receipt is its `webhook-id`, by which the receiver knows it again."""
        body = json.dumps(
            {
                "type": "message.loud" if message.loud else "message",
                "timestamp": message.made.isoformat(),
                "data": {
                    "key": message.key,
                    "incident": message.incident,
                    "audience": message.audience,
                    "addresses": list(addresses),
                    "subject": message.subject,
                    "body": message.body,
                },
            }
        ).encode()
        name, sent = f"responder-{message.id}", str(int(time.time()))
        secret = self._settings.secret.get_secret_value().removeprefix("whsec_")
        signed = b"%b.%b.%b" % (name.encode(), sent.encode(), body)
        proof = base64.b64encode(hmac.digest(base64.b64decode(secret), signed, "sha256")).decode()
        headers = {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": sent,
            "webhook-signature": f"v1,{proof}",
        }
        answer = await post(self._settings.url, content=body, headers=headers)
        return f"{answer.status_code} {name}"
