import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from responder.errors import Unauthentic
from responder.intake.authenticate import Proof, authenticate
from responder.sources.settings import SourceSettings, shared_secrets

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
BODY = b'{"severity": "high"}'
KEY, OLD_KEY, STRANGER = (bytes([n]) * 32 for n in (1, 2, 3))
TEXT = "a-shared-secret-of-many-characters"
OLD_TEXT = "the-secret-that-was-used-before"

Headers = Sequence[tuple[bytes, bytes]]


def whsec(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def source(auth: dict[str, Any]) -> SourceSettings:
    return SourceSettings.model_validate({"kind": "wazuh", "auth": auth})


WEBHOOK = source({"scheme": "standard_webhooks", "secrets": [whsec(KEY), whsec(OLD_KEY)]})
GITHUB = source(
    {
        "scheme": "hmac",
        "header": "X-Hub-Signature-256",
        "prefix": "sha256=",
        "secrets": [TEXT, OLD_TEXT],
        "delivery_header": "X-GitHub-Delivery",
    }
)
TIMED = source(
    {
        "scheme": "hmac",
        "header": "X-Signature",
        "secrets": [TEXT],
        "timestamp_header": "X-Timestamp",
    }
)
BEARER = source({"scheme": "bearer", "tokens": [OLD_TEXT, TEXT]})
API_KEY = source({"scheme": "header", "name": "X-Api-Key", "values": [TEXT]})


def v1(key: bytes, at: bytes, body: bytes = BODY, delivery: bytes = b"msg_1") -> bytes:
    signed = delivery + b"." + at + b"." + body
    return b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))


def webhook(
    *,
    key: bytes = KEY,
    at: int | bytes = SECONDS,
    delivery: bytes = b"msg_1",
    signature: bytes | None = None,
    body: bytes = BODY,
) -> list[tuple[bytes, bytes]]:
    """The headers of a Standard Webhooks delivery; right unless told otherwise."""
    written = at if isinstance(at, bytes) else str(at).encode()
    return [
        (b"Content-Type", b"application/json"),
        (b"Webhook-Id", delivery),
        (b"webhook-timestamp", written),
        (b"webhook-signature", signature or v1(key, written, body, delivery)),
    ]


def hexadecimal(secret: str, signed: bytes = BODY) -> bytes:
    return hmac.digest(secret.encode(), signed, "sha256").hex().encode()


def github(signature: bytes | None = None) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-hub-signature-256", signature or b"sha256=" + hexadecimal(TEXT)),
        (b"x-github-delivery", b"72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    ]


def timed(at: bytes = str(SECONDS).encode()) -> list[tuple[bytes, bytes]]:
    return [(b"x-timestamp", at), (b"x-signature", hexadecimal(TEXT, at + b":" + BODY))]


def without(name: bytes, headers: Headers) -> Headers:
    return [(key, value) for key, value in headers if key.lower() != name]


SHA = hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    ("sender", "headers", "delivery", "scheme", "key"),
    [
        pytest.param(WEBHOOK, webhook(), "msg_1", "standard_webhooks", 0, id="webhook"),
        pytest.param(
            WEBHOOK, webhook(key=OLD_KEY), "msg_1", "standard_webhooks", 1, id="webhook-rotated"
        ),
        pytest.param(
            WEBHOOK,
            webhook(signature=b" ".join([b"v1a,AAAA", b"v1,AAAA", v1(KEY, b"%d" % SECONDS)])),
            "msg_1",
            "standard_webhooks",
            0,
            id="webhook-among-several-signatures",
        ),
        pytest.param(
            WEBHOOK, webhook(at=SECONDS - 300), "msg_1", "standard_webhooks", 0, id="webhook-oldest"
        ),
        pytest.param(
            WEBHOOK, webhook(at=SECONDS + 30), "msg_1", "standard_webhooks", 0, id="webhook-newest"
        ),
        pytest.param(
            GITHUB, github(), "72d3162e-cc78-11e3-81ab-4c9367dc0958", "hmac", 0, id="github"
        ),
        pytest.param(
            GITHUB,
            github(
                b"sha256=00, sha256=11".replace(b" ", b"") + b",sha256=" + hexadecimal(OLD_TEXT)
            ),
            "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "hmac",
            1,
            id="hmac-among-several-signatures",
        ),
        pytest.param(TIMED, timed(), SHA, "hmac", 0, id="hmac-with-time"),
        pytest.param(
            BEARER, [(b"Authorization", b"bearer " + TEXT.encode())], SHA, "bearer", 1, id="bearer"
        ),
        pytest.param(API_KEY, [(b"x-API-key", TEXT.encode())], SHA, "header", 0, id="api-key"),
    ],
)
def test_a_true_delivery_is_proved(
    sender: SourceSettings, headers: Headers, delivery: str, scheme: str, key: int
) -> None:
    expected = Proof(delivery=delivery, digest=SHA, scheme=scheme, key=key)
    assert authenticate(sender, headers, BODY, NOW) == expected


def bad_times() -> list[bytes]:
    full_width = "".join(chr(0xFF10 + int(digit)) for digit in str(SECONDS)).encode()
    return [
        b"abc", b"", b"nan", b"1e9", b"-1", b"1_700_000_000", full_width, b"9" * 5000,
        b"%d\n" % SECONDS, b" %d" % SECONDS, b"%d.0" % SECONDS, b"0x6a000000", b"inf", b"0" * 10,
    ]  # fmt: skip


REFUSED: list[Any] = [
    pytest.param(WEBHOOK, [], BODY, "one webhook-id header but found 0", id="01-nothing"),
    pytest.param(
        WEBHOOK, without(b"webhook-signature", webhook()), BODY, "found 0", id="01-no-signature"
    ),
    pytest.param(GITHUB, [], BODY, "one X-Hub-Signature-256 header", id="01-no-hmac"),
    pytest.param(BEARER, [], BODY, "one authorization header but found 0", id="01-no-token"),
    pytest.param(API_KEY, [], BODY, "one X-Api-Key header but found 0", id="01-no-key"),
    pytest.param(WEBHOOK, webhook(key=STRANGER), BODY, "does not match", id="02-wrong-secret"),
    pytest.param(
        GITHUB, github(b"sha256=" + hexadecimal("x" * 30)), BODY, "does not match", id="02-hmac"
    ),
    pytest.param(
        BEARER, [(b"authorization", b"Bearer nothing")], BODY, "not one of", id="02-wrong-token"
    ),
    pytest.param(
        BEARER, [(b"authorization", b"Basic " + TEXT.encode())], BODY, "'Bearer '", id="02-basic"
    ),
    pytest.param(API_KEY, [(b"x-api-key", b"nothing")], BODY, "not one of", id="02-wrong-key"),
    pytest.param(
        WEBHOOK,
        webhook(signature=v1(KEY, b"%d" % SECONDS).swapcase()),
        BODY,
        "does not match",
        id="03-wrong-case",
    ),
    pytest.param(
        WEBHOOK,
        webhook(signature=v1(KEY, b"%d" % SECONDS).rstrip(b"=")),
        BODY,
        "does not match",
        id="03-no-padding",
    ),
    pytest.param(
        GITHUB,
        github(b"sha256=" + hexadecimal(TEXT).upper()),
        BODY,
        "does not match",
        id="03-capitals",
    ),
    pytest.param(GITHUB, github(hexadecimal(TEXT)), BODY, "does not match", id="03-no-prefix"),
    pytest.param(
        WEBHOOK, webhook(signature="v1,é".encode()), BODY, "does not match", id="04-non-ascii"
    ),
    pytest.param(GITHUB, github(b"v0=\xe9"), BODY, "does not match", id="04-latin-1"),
    pytest.param(
        BEARER, [(b"authorization", b"Bearer \xff\x00")], BODY, "not one of", id="04-token-bytes"
    ),
    pytest.param(WEBHOOK, webhook(signature=b"v1"), BODY, "without a comma", id="05-no-comma"),
    pytest.param(
        WEBHOOK,
        webhook(signature=b" ".join([v1(KEY, b"%d" % SECONDS)] * 10_000)),
        BODY,
        "more than 16 signatures",
        id="05-ten-thousand",
    ),
    pytest.param(
        GITHUB,
        github(b",".join([b"sha256=" + hexadecimal(TEXT)] * 17)),
        BODY,
        "more than 16 signatures",
        id="05-seventeen",
    ),
    pytest.param(
        WEBHOOK,
        webhook(signature=v1(KEY, b"%d" % SECONDS).replace(b"v1,", b"v1a,")),
        BODY,
        "does not match",
        id="06-v1a",
    ),
    pytest.param(WEBHOOK, webhook(), BODY + b" ", "does not match", id="07-one-space-more"),
    pytest.param(GITHUB, github(), BODY + b" ", "does not match", id="07-hmac-one-space-more"),
    pytest.param(TIMED, timed(), BODY + b" ", "does not match", id="07-timed-one-space-more"),
    pytest.param(
        WEBHOOK, webhook(), b'{"severity":"high"}', "does not match", id="08-serialised-again"
    ),
    pytest.param(
        WEBHOOK, webhook(at=SECONDS - 301), BODY, "is 301 s old", id="09-five-minutes-old"
    ),
    pytest.param(TIMED, timed(b"%d" % (SECONDS - 301)), BODY, "301 s old", id="09-hmac-too-old"),
    pytest.param(WEBHOOK, webhook(at=SECONDS + 31), BODY, "is 31 s ahead", id="10-ahead"),
    pytest.param(TIMED, timed(b"%d" % (SECONDS + 31)), BODY, "31 s ahead", id="10-hmac-ahead"),
    *(
        pytest.param(WEBHOOK, webhook(at=at), BODY, "webhook-timestamp", id=f"11-time-{number}")
        for number, at in enumerate(bad_times())
    ),
    *(
        pytest.param(TIMED, timed(at), BODY, "X-Timestamp", id=f"11-hmac-time-{number}")
        for number, at in enumerate(bad_times())
    ),
    *(
        pytest.param(
            sender, [*headers, (name, b"again")], BODY, "but found 2", id=f"12-two-{name.decode()}"
        )
        for sender, headers, name in (
            (WEBHOOK, webhook(), b"webhook-timestamp"),
            (WEBHOOK, webhook(), b"WEBHOOK-ID"),
            (WEBHOOK, webhook(), b"Webhook-Signature"),
            (GITHUB, github(), b"x-hub-signature-256"),
            (GITHUB, github(), b"x-github-delivery"),
            (TIMED, timed(), b"x-timestamp"),
            (BEARER, [(b"authorization", b"Bearer " + TEXT.encode())], b"authorization"),
            (API_KEY, [(b"x-api-key", TEXT.encode())], b"x-api-key"),
        )
    ),
    *(
        pytest.param(WEBHOOK, webhook(delivery=text), BODY, "webhook-id", id=f"18-id-{number}")
        for number, text in enumerate(
            [b"a.b", b"", b"a\r\nb", b"a\n", b"x" * 10_240, b"x" * 129, "é".encode(), b"a b", b"\0"]
        )
    ),
    pytest.param(
        GITHUB,
        [*without(b"x-github-delivery", github()), (b"x-github-delivery", b"a\r\nb")],
        BODY,
        "X-GitHub-Delivery",
        id="18-hmac-id",
    ),
    pytest.param(
        source({"scheme": "standard_webhooks", "secrets": [whsec(KEY)]}),
        webhook(key=OLD_KEY),
        BODY,
        "does not match",
        id="19-revoked",
    ),
    pytest.param(
        source({"scheme": "standard_webhooks", "secrets": [whsec(STRANGER)]}),
        webhook(),
        BODY,
        "does not match",
        id="20-signed-for-another-source",
    ),
]


@pytest.mark.parametrize(("sender", "headers", "body", "why"), REFUSED)
def test_what_cannot_be_proved_is_unauthentic_with_the_reason_in_one_line(
    sender: SourceSettings, headers: Headers, body: bytes, why: str
) -> None:
    with pytest.raises(Unauthentic) as refused:
        authenticate(sender, headers, body, NOW)
    assert why in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


def test_13_a_replay_within_the_window_has_the_same_delivery_id() -> None:
    again = authenticate(WEBHOOK, webhook(), BODY, NOW + timedelta(seconds=1))
    assert again == authenticate(WEBHOOK, webhook(), BODY, NOW)


def test_14_a_replay_after_six_minutes_is_refused() -> None:
    with pytest.raises(Unauthentic, match="360 s old"):
        authenticate(WEBHOOK, webhook(), BODY, NOW + timedelta(minutes=6))


def test_15_the_same_id_with_another_body_differs_in_its_digest() -> None:
    other = BODY + b" "
    proof = authenticate(WEBHOOK, webhook(body=other), other, NOW)
    assert proof.delivery == "msg_1"
    assert proof.digest != SHA


@pytest.mark.parametrize(
    "auth",
    [
        {"scheme": "standard_webhooks", "secrets": []},
        {"scheme": "standard_webhooks", "secrets": [whsec(b"x" * 23)]},
        {"scheme": "standard_webhooks", "secrets": [base64.b64encode(KEY).decode()]},
        {"scheme": "standard_webhooks", "secrets": ["whsec_é" + "A" * 40]},
        {"scheme": "bearer", "tokens": ["too-short"]},
        {"scheme": "bearer", "tokens": ["a-token-with-a\nnew-line-in-it"]},
        {"scheme": "header", "name": "x y", "values": [TEXT]},
        {"scheme": "hmac", "header": "x-signature", "secrets": [TEXT], "algorithm": "md5"},
        {"scheme": "none"},
    ],
)
def test_settings_that_would_prove_little_are_refused(auth: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source(auth)


def test_a_fault_in_the_settings_does_not_show_the_secret() -> None:
    with pytest.raises(ValidationError) as fault:
        source({"scheme": "bearer", "tokens": ["hunter2-hunter2"]})
    assert "hunter2" not in str(fault.value)
    assert "hunter2" not in repr(WEBHOOK)
    assert TEXT not in repr(GITHUB)


def test_two_sources_with_one_secret_are_a_fault() -> None:
    assert shared_secrets({"a": WEBHOOK, "b": BEARER}) == []
    same = {"a": BEARER, "b": API_KEY, "c": WEBHOOK}
    assert shared_secrets(same) == ["sources a and b have the same secret; each needs its own"]


RELEVANT = [
    b"webhook-id", b"webhook-timestamp", b"webhook-signature", b"x-hub-signature-256",
    b"x-github-delivery", b"x-timestamp", b"x-signature", b"authorization", b"x-api-key",
]  # fmt: skip
VALUES = st.one_of(
    st.binary(max_size=64),
    st.sampled_from([b"%d" % SECONDS, b"msg_1", b"v1,", b"v1,AAAA v1", b"sha256=", b"Bearer x"]),
)


@settings(max_examples=150, deadline=None)
@given(
    sender=st.sampled_from([WEBHOOK, GITHUB, TIMED, BEARER, API_KEY]),
    headers=st.lists(st.tuples(st.sampled_from(RELEVANT), VALUES), max_size=6),
    body=st.binary(max_size=64),
)
def test_whatever_a_stranger_sends_is_unauthentic_and_nothing_else(
    sender: SourceSettings, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    with pytest.raises(Unauthentic):
        authenticate(sender, headers, body, NOW)


@settings(max_examples=100, deadline=None)
@given(place=st.integers(min_value=0, max_value=len(BODY) - 1), flip=st.integers(1, 255))
def test_one_changed_byte_of_the_body_voids_every_signature(place: int, flip: int) -> None:
    changed = bytearray(BODY)
    changed[place] ^= flip
    sends: list[tuple[SourceSettings, Callable[[], Headers]]] = [
        (WEBHOOK, webhook), (GITHUB, github), (TIMED, timed)
    ]  # fmt: skip
    for sender, headers in sends:
        with pytest.raises(Unauthentic, match="does not match"):
            authenticate(sender, headers(), bytes(changed), NOW)
