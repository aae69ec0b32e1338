"""Whether a delivery is from the source it names, judged over bytes before anything is parsed."""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from pydantic import Field, SecretStr

from responder.errors import Unauthentic
from responder.incident import Frozen
from responder.sources.settings import (
    WEBHOOK_SECRET_PREFIX,
    ApiKeyHeader,
    Bearer,
    HmacHeader,
    SourceSettings,
    StandardWebhooks,
)

Headers = Sequence[tuple[bytes, bytes]]

OLDEST = 300
NEWEST = -30
MOST_SIGNATURES = 16

_ID = re.compile(rb"[A-Za-z0-9_-]{1,128}")
# int() would also take `1_0`, surrounding space and full-width digits, and float() `nan`.
_SECONDS = re.compile(rb"[0-9]{10}")


class Proof(Frozen):
    """What shows that a delivery is authentic, and the key by which a repeat of it is known."""

    delivery: str = Field(description="The sender's id of this delivery, else the body's SHA-256.")
    digest: str = Field(description="The body's SHA-256; equal ids must come with equal digests.")
    scheme: str = Field(description="How it was authenticated.")
    key: int = Field(description="Which of the source's secrets matched, counted from 0.")


def authenticate(source: SourceSettings, headers: Headers, body: bytes, now: datetime) -> Proof:
    """
    The proof that *source* sent *body*.

    Raises `Unauthentic` and nothing else, whatever the bytes are. Its message names no secret and
    quotes nothing that was sent, so that it can be logged; a stranger should only see the 401.
    """
    match source.auth:
        case StandardWebhooks() as auth:
            return _standard_webhooks(auth, headers, body, now)
        case HmacHeader() as auth:
            return _hmac_header(auth, headers, body, now)
        case Bearer() as auth:
            scheme, _, token = _only(headers, "authorization").partition(b" ")
            if scheme.lower() != b"bearer":
                raise Unauthentic("the authorization header does not start with 'Bearer '")
            key = _matching(_plain(auth.tokens), [token], "the token is not one of the source's")
            return _proof("bearer", key, body)
        case ApiKeyHeader() as auth:
            value = _only(headers, auth.name)
            what = f"the {auth.name} header is not one of the source's values"
            return _proof("header", _matching(_plain(auth.values), [value], what), body)


def _standard_webhooks(
    auth: StandardWebhooks, headers: Headers, body: bytes, now: datetime
) -> Proof:
    delivery = _only(headers, "webhook-id")
    if not _ID.fullmatch(delivery):
        raise Unauthentic("the webhook-id header is not 1 to 128 letters, digits, - and _")
    sent = _fresh(headers, "webhook-timestamp", now)
    given = _split(_only(headers, "webhook-signature"), b" ", "webhook-signature")
    if any(b"," not in signature for signature in given):
        raise Unauthentic("the webhook-signature header has a part without a comma")
    signed = b"%b.%b.%b" % (delivery, sent, body)
    expected = [
        b"v1," + base64.b64encode(hmac.digest(_webhook_key(secret), signed, "sha256"))
        for secret in auth.secrets
    ]
    return _proof("standard_webhooks", _matching(expected, given), body, delivery)


def _hmac_header(auth: HmacHeader, headers: Headers, body: bytes, now: datetime) -> Proof:
    given = _split(_only(headers, auth.header), b",", auth.header)
    signed = body
    if auth.timestamp_header is not None:
        signed = _fresh(headers, auth.timestamp_header, now) + b":" + body
    prefix = auth.prefix.encode()
    expected = [
        prefix + hmac.digest(secret, signed, auth.algorithm).hex().encode()
        for secret in _plain(auth.secrets)
    ]
    key = _matching(expected, given)
    if auth.delivery_header is None:
        return _proof("hmac", key, body)
    delivery = _only(headers, auth.delivery_header)
    if not _ID.fullmatch(delivery):
        raise Unauthentic(
            f"the {auth.delivery_header} header is not 1 to 128 letters, digits, - and _"
        )
    return _proof("hmac", key, body, delivery)


def _proof(scheme: str, key: int, body: bytes, delivery: bytes | None = None) -> Proof:
    digest = hashlib.sha256(body).hexdigest()
    named = digest if delivery is None else delivery.decode("ascii")
    return Proof(delivery=named, digest=digest, scheme=scheme, key=key)


def _only(headers: Headers, name: str) -> bytes:
    """The value of a header that is there once: programs disagree about which of two counts."""
    wanted = name.lower().encode()
    found = [value for key, value in headers if key.lower() == wanted]
    if len(found) != 1:
        raise Unauthentic(f"expected one {name} header but found {len(found)}")
    return found[0]


def _fresh(headers: Headers, name: str, now: datetime) -> bytes:
    """The time the sender signed, as it was written, if it is within the window."""
    text = _only(headers, name)
    if not _SECONDS.fullmatch(text):
        raise Unauthentic(f"the {name} header is not a time in whole seconds of ten digits")
    age = now.timestamp() - int(text)
    if not NEWEST <= age <= OLDEST:
        when = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s ahead"
        raise Unauthentic(
            f"the {name} header is {when}; up to {OLDEST} s old or {-NEWEST} s ahead is taken"
        )
    return text


def _split(value: bytes, separator: bytes, name: str) -> list[bytes]:
    """The signatures of a header that may carry several while a key is being rotated."""
    if value.count(separator) >= MOST_SIGNATURES:
        raise Unauthentic(f"the {name} header has more than {MOST_SIGNATURES} signatures")
    return value.split(separator)


def _matching(
    expected: Sequence[bytes],
    given: Sequence[bytes],
    what: str = (
        "the signature does not match the body; "
        "check that the secret is the one in the sender's settings"
    ),
) -> int:
    """Which of *expected* is among *given*. Every pair is compared, so that time tells nothing."""
    matches = [
        key
        for key, value in enumerate(expected)
        if any([hmac.compare_digest(value, one) for one in given])  # noqa: C419 - see above
    ]
    if not matches:
        raise Unauthentic(what)
    return matches[0]


def _plain(secrets: Sequence[SecretStr]) -> list[bytes]:
    return [secret.get_secret_value().encode() for secret in secrets]


def _webhook_key(secret: SecretStr) -> bytes:
    return base64.b64decode(secret.get_secret_value().removeprefix(WEBHOOK_SECRET_PREFIX))
