"""
Whether a request comes from Slack: v0 signatures, checked over the bytes that came in.

Source: docs.slack.dev/authentication/verifying-requests-from-slack (HMAC-SHA256 of `v0:{time}:{body}`
with the signing secret, hex after `v0=`; a time more than five minutes off is refused).
"""

import hmac
from collections.abc import Sequence

from responder.errors import Unauthentic

_WINDOW = 300  # seconds
_SIGNATURE, _TIME = b"x-slack-signature", b"x-slack-request-timestamp"
_HEX = frozenset(b"0123456789abcdef")
_SIGNATURE_LENGTH = len("v0=") + 64
_TIME_LENGTH = 10  # until the year 2286


def verify(secret: str, headers: Sequence[tuple[bytes, bytes]], body: bytes, now: float) -> None:
    """Raises `Unauthentic`, with what is wrong, unless *body* was signed with *secret* within five minutes."""
    stamp, signature = _one(headers, _TIME), _one(headers, _SIGNATURE)
    if len(stamp) != _TIME_LENGTH or not stamp.isdigit():
        raise Unauthentic("expected a Unix time of ten digits in X-Slack-Request-Timestamp")
    if abs(now - int(stamp)) > _WINDOW:
        raise Unauthentic("X-Slack-Request-Timestamp is more than five minutes off this clock")
    well_formed = signature.startswith(b"v0=") and _HEX.issuperset(signature[3:])
    if len(signature) != _SIGNATURE_LENGTH or not well_formed:
        raise Unauthentic("expected v0= and 64 hex digits in X-Slack-Signature")
    wanted = hmac.digest(secret.encode(), b"v0:%b:%b" % (stamp, body), "sha256").hex().encode()
    if not hmac.compare_digest(signature[3:], wanted):
        raise Unauthentic("the signature does not match")


def _one(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> bytes:
    found = [value for key, value in headers if key.lower() == name]
    if len(found) != 1:
        raise Unauthentic(f"expected one header {name.decode()}, found {len(found)}")
    return found[0]
