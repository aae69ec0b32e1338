"""What the fuzzer does to deliveries, and what may come out of the code that reads them."""

import json
import random
from datetime import datetime
from typing import Any

from responder.errors import AlertError
from responder.incident import Alert
from responder.intake.authenticate import authenticate
from responder.intake.parse import parse
from responder.sources import NORMALISERS
from responder.sources.settings import SourceSettings
from responder.triage import Triage, assess
from tests.sources.configured import TOKEN, cases, source, source_of

SECRET = "whsec_" + "A" * 43 + "="
SCHEMES: tuple[dict[str, Any], ...] = (
    {"scheme": "standard_webhooks", "secrets": [SECRET]},
    {"scheme": "hmac", "header": "x-signature", "prefix": "sha256=", "secrets": [TOKEN]},
    {
        "scheme": "hmac",
        "header": "x-signature",
        "secrets": [TOKEN],
        "timestamp_header": "x-timestamp",
        "delivery_header": "x-delivery",
    },
    {"scheme": "bearer", "tokens": [TOKEN]},
    {"scheme": "header", "name": "x-api-key", "values": [TOKEN]},
)
SENDERS = tuple(source("wazuh", auth=auth) for auth in SCHEMES)

NAMES = (
    b"webhook-id", b"webhook-timestamp", b"webhook-signature", b"x-signature", b"x-timestamp",
    b"x-delivery", b"authorization", b"x-api-key",
)  # fmt: skip
PIECES = (
    b"[", b"{", b"]", b"}", b'"', b"\\", b",", b":", b"null", b"NaN", b"1e400", b"-0", b"9" * 30,
    b"\\ud800", b"\\u0000", b"\x00", b"\xff", b"\xef\xbb\xbf", b'"a":1,', b"010.0.0.1", b"::1",
)  # fmt: skip
LEAVES: tuple[Any, ...] = (
    None, True, 0, -1, 2**63 - 1, 1e308, "", "-", "x" * 300, "\u202e\x1b[31m", "203.0.113.7",
    "::ffff:203.0.113.7", "0.0.0.0/0", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    1772600767, "T1110", "resolved", [], {}, [[]], {"": None}, "é", "{{7*7}}", "$(id)",
)  # fmt: skip

Corpus = list[tuple[SourceSettings, bytes]]


def corpus() -> Corpus:
    """The recorded deliveries, with the sources that read them."""
    return [(source_of(case), case.read_bytes()) for case in cases()]


def attack(chance: random.Random, bodies: Corpus, now: datetime) -> bool:
    """One execution; whether it got as far as alerts. Raises whatever must not come out."""
    _authenticate(chance, now)
    sender, body = chance.choice(bodies)
    raw = chance.random() < 0.3
    body = _bytes(chance, body) if raw else json.dumps(_value(chance, json.loads(body), 0)).encode()
    try:
        value = parse(body)
        normalised = NORMALISERS[sender.kind](value, sender, "fuzz", chance.choice((None, now)))
    except AlertError as error:
        _check_line(str(error))
        return False
    for fault in normalised.faults:
        _check_line(fault)
    for alert in normalised.alerts:
        _check_alert(alert)
    return True


def _check_alert(alert: Alert) -> None:
    said = assess(alert, Triage(), "fuzz")
    texts = (alert.id, alert.title, alert.rule, said.subject, *alert.hosts, *alert.accounts)
    for text in texts:
        if not text.isprintable():
            raise AssertionError(f"{text!r} reached an alert")
    if any(network.num_addresses != 1 for network in alert.networks):
        raise AssertionError(f"{alert.networks} is more than single addresses")


def _check_line(text: str) -> None:
    if not text.isprintable() or len(text) > 1000:
        raise AssertionError(f"{text!r} is not one line")


def _authenticate(chance: random.Random, now: datetime) -> None:
    starts = (b"", b"v1,AAAA", b"Bearer x", b"sha256=", b"%d" % now.timestamp())
    headers = [
        (chance.choice(NAMES), _bytes(chance, chance.choice(starts)))
        for _ in range(chance.randrange(6))
    ]
    try:
        proof = authenticate(chance.choice(SENDERS), headers, b"{}", now)
    except AlertError as error:
        _check_line(str(error))
        return
    raise AssertionError(f"{headers} proved {proof}")


def _bytes(chance: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[at:at] = chance.choice(PIECES) * chance.choice((1, 1, 1, 40))
            case 1:
                del changed[at : at + chance.randrange(1, 20)]
            case 2:
                changed[at : at + 1] = chance.randbytes(1)
            case _:
                changed[at:at] = changed[: chance.randrange(1, 50)]
    return bytes(changed)


def _value(chance: random.Random, value: Any, depth: int) -> Any:
    if depth and chance.random() < 0.03:
        return chance.choice(LEAVES)
    match value:
        case dict():
            kept = {
                k: _value(chance, v, depth + 1) for k, v in value.items() if chance.random() > 0.02
            }
            if chance.random() < 0.02:
                kept[chance.choice((*value, "__proto__", "\u202e"))] = chance.choice(LEAVES)
            return kept
        case list():
            return [_value(chance, v, depth + 1) for v in value if chance.random() > 0.02]
    return value
