"""What every normaliser needs to read a document that may hold anything anywhere."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from ipaddress import IPv6Address, ip_network

from pydantic import Field, JsonValue, ValidationError

from responder.errors import Malformed
from responder.incident import Alert, Frozen, Network
from responder.policy.networks import parse_network
from responder.sources.moments import moment

_LONGEST_TITLE = 500
_LONGEST_NAME = 255
_QUOTED = 60
_MOST_FAULTS = 50
_FAULTS_IN_AN_ERROR = 3

# What senders write where they have nothing to say.
_NOTHING = frozenset({"", "-", "--", "n/a", "none", "null", "unknown", "(none)"})
_TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,254}")


class Normalised(Frozen):
    """The alerts of one delivery, and what was left out of them or of the delivery."""

    alerts: tuple[Alert, ...] = Field(description="At least one.")
    faults: tuple[str, ...] = Field(default=(), description="One line for each thing left out.")


class Unusable(Exception):
    """One element cannot become an alert; the others of its delivery still can."""


class Notes:
    """The faults of one element: what is said once, with where it was found."""

    def __init__(self, where: str = "") -> None:
        self._where = f"{where}: " if where else ""
        self.lines: list[str] = []

    def say(self, fault: str) -> None:
        """Keep one line."""
        self.lines.append(f"{self._where}{fault}")


def each(
    elements: Sequence[JsonValue], read: Callable[[JsonValue, Notes], Alert], where: str
) -> Normalised:
    """What *read* makes of every element that is usable; `Malformed` if none is."""
    alerts: list[Alert] = []
    faults: list[str] = []
    for number, element in enumerate(elements):
        notes = Notes(f"{where}[{number}]" if len(elements) > 1 else "")
        try:
            alerts.append(read(element, notes))
        except Unusable as fault:
            notes.say(f"{fault}; not an alert")
        except ValidationError as fault:
            first = fault.errors(include_input=False, include_url=False)[0]
            notes.say(f"{'.'.join(map(str, first['loc']))}: {first['msg']}; not an alert")
        faults += notes.lines
    if not alerts:
        said = "; ".join(faults[:_FAULTS_IN_AN_ERROR]) or f"{where} is empty"
        more = len(faults) - _FAULTS_IN_AN_ERROR
        raise Malformed(f"{said} and {more} more" if more > 0 else said)
    if len(faults) > _MOST_FAULTS:
        faults[_MOST_FAULTS:] = [f"and {len(faults) - _MOST_FAULTS} more"]
    return Normalised(alerts=tuple(alerts), faults=tuple(faults))


def quoted(value: JsonValue) -> str:
    """*value* for a fault line: short, ASCII and on one line whatever it holds."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = ascii(value[:_QUOTED]) if isinstance(value, str) else repr(value)[:_QUOTED]
    return f"{text}..." if isinstance(value, str) and len(value) > _QUOTED else text


def dig(value: JsonValue, *keys: str) -> JsonValue:
    """What is below *keys*, or None where there is no such thing."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def first_of(*values: JsonValue) -> JsonValue:
    """The first value that says something."""
    for value in values:
        if value is not None and not (isinstance(value, str) and value.lower() in _NOTHING):
            return value
    return None


def line(value: JsonValue, longest: int = _LONGEST_TITLE) -> str:
    """*value* as one printable line; nothing if it is no text or number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    # Cut before and after: the first bounds the work, the second the result.
    text = str(value)[: longest * 4]
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def key(*parts: JsonValue) -> str:
    """An id out of *parts*; a digest of them where an id may not be written like that."""
    text = "/".join(str(part) for part in parts)
    if text.isprintable() and text == text.strip() and 0 < len(text) <= _LONGEST_NAME:
        return text
    return digest(list(parts))


def digest(value: JsonValue) -> str:
    """A stable id of what has none of its own."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def occurred(notes: Notes, received: datetime | None, *values: JsonValue) -> datetime:
    """The first of *values* that is a time; when it was received, if there is none."""
    for value in values:
        if (found := moment(value)) is not None:
            return found
    said = ", ".join(quoted(value) for value in values if value is not None) or "nothing"
    if received is None:
        raise Unusable(f"expected the time it happened but found {said}")
    notes.say(f"expected the time it happened but found {said}; taken as when it was received")
    return received


def networks(notes: Notes, field: str, values: Iterable[JsonValue]) -> tuple[Network, ...]:
    """Those of *values* that are one plain address of another machine each."""
    found: dict[Network, None] = {}
    for value in values:
        if first_of(value) is None:
            continue
        network = _address(value)
        if network is None:
            notes.say(f"{field}: {quoted(value)} is not a plain address; left out")
        elif not (network.is_loopback or network.network_address.is_unspecified):
            found[network] = None
    return tuple(found)


def _address(value: JsonValue) -> Network | None:
    if not isinstance(value, str) or "/" in value:
        return None
    try:
        network = parse_network(value)
    except ValueError:
        return None
    address = network.network_address
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        # How a socket that serves both versions writes an IPv4 client.
        return ip_network(address.ipv4_mapped)
    return network


def hosts(notes: Notes, field: str, values: Iterable[JsonValue]) -> tuple[str, ...]:
    """Those of *values* that can be the name, id or address of a machine."""
    return _names(notes, field, values, lambda name: _HOST.fullmatch(name) is not None, "a host")


def accounts(notes: Notes, field: str, values: Iterable[JsonValue]) -> tuple[str, ...]:
    """Those of *values* that can be the name of an account."""
    return _names(
        notes, field, values,
        lambda name: name.isprintable() and name == name.strip() and not name.startswith("-"),
        "an account",
    )  # fmt: skip


def _names(
    notes: Notes, field: str, values: Iterable[JsonValue], fits: Callable[[str], bool], what: str
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for value in values:
        if first_of(value) is None:
            continue
        if isinstance(value, str) and len(value) <= _LONGEST_NAME and fits(value):
            found[value] = None
        else:
            notes.say(f"{field}: {quoted(value)} is not the name of {what}; left out")
    return tuple(found)


def techniques(notes: Notes, field: str, values: Iterable[JsonValue]) -> tuple[str, ...]:
    """Those of *values* that are ATT&CK technique ids."""
    found: dict[str, None] = {}
    for value in values:
        if isinstance(value, str) and _TECHNIQUE.fullmatch(value):
            found[value] = None
        elif first_of(value) is not None:
            notes.say(f"{field}: {quoted(value)} is not an ATT&CK technique; left out")
    return tuple(found)


def items(value: JsonValue) -> list[JsonValue]:
    """The elements of an array; anything else is an array of itself, and nothing is empty."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
