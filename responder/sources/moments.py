"""Times as senders write them, as aware UTC."""

import math
import re
from datetime import UTC, datetime, timedelta, timezone

from pydantic import JsonValue

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)

# Placeholders for "never" lie before: 0001-01-01 (Go), 1601 (Windows), 1970 (EventBridge samples).
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)

# The dot in an offset is no standard, but is sent.
_WRITTEN = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,12}))?"
    r" ?(?:(Z|UTC)|([+-])(\d\d)(?:[:.]?(\d\d))?)?",
    re.ASCII | re.IGNORECASE,
)
_DIGITS = re.compile(r"\d{10,19}(\.\d{1,12})?", re.ASCII)


def moment(value: JsonValue) -> datetime | None:
    """
    The time that *value* is, or None if it is none that can be meant.

    Text without a zone is UTC. Numbers, also in strings, are seconds, milliseconds, microseconds
    or nanoseconds since 1970, or Windows' 100 ns since 1601, by their size.
    """
    try:
        match value:
            case bool():
                return None
            case int() | float():
                found = _counted(value)
            case str() if written := _WRITTEN.fullmatch(value):
                found = _read(written)
            case str() if _DIGITS.fullmatch(value):
                found = _counted(float(value) if "." in value else int(value))
            case _:
                return None
    except (ValueError, OverflowError):
        return None
    return found if _EARLIEST <= found < _LATEST else None


def stamp(when: datetime) -> str:
    """One spelling of a time for use in ids, whatever spelling the sender used."""
    return when.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _read(written: re.Match[str]) -> datetime:
    fraction = (written[7] or "")[:6].ljust(6, "0")
    offset = timedelta()
    if written[9]:
        offset = timedelta(hours=int(written[10]), minutes=int(written[11] or 0))
        offset = -offset if written[9] == "-" else offset
    year, month, day, hour, minute, second = (int(written[i]) for i in range(1, 7))
    zone = timezone(offset)
    return datetime(year, month, day, hour, minute, second, int(fraction), tzinfo=zone).astimezone(
        UTC
    )


def _counted(number: float) -> datetime:
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError(number)
    if number < 10**11:
        return _EPOCH + timedelta(seconds=number)
    if number < 10**14:
        return _EPOCH + timedelta(milliseconds=number)
    if number < 10**17:
        return _EPOCH + timedelta(microseconds=number)
    if number < 10**18:
        return _FILETIME_EPOCH + timedelta(microseconds=number // 10)
    return _EPOCH + timedelta(microseconds=number // 1000)
