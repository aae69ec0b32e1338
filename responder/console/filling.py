"""What people type into forms, read as what it means; a fault is told on the form's own page."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from responder.errors import Refused

Given = Mapping[str, str]

_LENGTH: Final = TypeAdapter(timedelta)
_LONGEST_CODE, _LONGEST_REASON, _LONGEST_ANSWER = 64, 300, 20_000


def reason(given: Given, longest: int = _LONGEST_REASON) -> str:
    """Why; as much of it as is kept."""
    return given.get("reason", "").strip()[:longest]


def code(given: Given) -> str:
    """A code, as people write it in groups."""
    return given.get("code", "").replace(" ", "")[:_LONGEST_CODE]


def passkey(given: Given) -> dict[str, Any] | None:
    """What the browser's authenticator answered, as the page's script put it into the form."""
    text = given.get("passkey", "")
    try:
        found = json.loads(text) if 0 < len(text) <= _LONGEST_ANSWER else None
    except ValueError:
        found = None
    return found if isinstance(found, dict) else None


def length(given: Given, name: str) -> timedelta | None:
    """A length of time that was chosen; None if none was. Raises `Refused`."""
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        found = _LENGTH.validate_python(text)
    except ValidationError:
        found = timedelta(0)
    if found <= timedelta(0):
        raise Refused(f"expected a length of time, found {text[:40]!r}; nothing was changed")
    return found


def moment(given: Given, name: str) -> datetime | None:
    """A moment that was typed, in UTC as the form says; None if none was. Raises `Refused`."""
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(
            f"expected a moment such as 2026-03-04T12:00, in UTC, found {text[:40]!r}; nothing was changed"
        ) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def expect(so: bool, otherwise: str) -> None:
    """Raise `Refused` with *otherwise* unless it is so."""
    if not so:
        raise Refused(otherwise)
