"""
A signed order to preview: who wants to see what a change would do, without its being done.

Whoever reaches Temporal could otherwise have the worker read firewalls for them: like a decision,
an order is signed by `serve`, which knows who asks, and checked by the worker.
"""

import secrets
from datetime import datetime, timedelta

from pydantic import JsonValue

from responder.contract import Request
from responder.crypto.signing import Signer, Verifier
from responder.incident import Frozen, Priority
from responder.workflows.wire import SignedOrder

_VALID = timedelta(minutes=1)  # for a person who waits at the terminal


class Order(Frozen):
    """What is signed."""

    purpose: str = "preview"
    by: str
    requests: tuple[Request, ...]
    incident: str | None = None
    priority: Priority = Priority.P2
    issued: datetime
    expires: datetime
    nonce: str


def sign_order(
    signer: Signer,
    by: str,
    requests: tuple[Request, ...],
    *,
    incident: str | None,
    priority: Priority,
    now: datetime,
) -> SignedOrder:
    """The order of the principal *by*, good for a minute."""
    order = Order(
        by=by,
        requests=requests,
        incident=incident,
        priority=priority,
        issued=now,
        expires=now + _VALID,
        nonce=secrets.token_hex(8),
    )
    document: JsonValue = order.model_dump(mode="json")
    return SignedOrder(document=document, signature=signer.sign(document))


def read_order(verifier: Verifier, signed: SignedOrder, now: datetime) -> Order | str:
    """The order, or why it is not one."""
    if not verifier.holds(signed.document, signed.signature):
        return "it is not signed by the approval service"
    order = Order.model_validate(signed.document)
    if order.purpose != "preview":
        return f"it is signed for {order.purpose!r}, not for a preview"
    return order if now <= order.expires else f"it ended at {order.expires:%H:%M:%S} UTC"
