"""Lengths of time and moments as people type them."""

import re
from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "min": "minutes", "s": "seconds"}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(min|d|h|m|s)\s*")


def length(text: str) -> timedelta:
    """`2h`, `1h30m`, `90 s`, or ISO 8601 such as PT2H. Raises `typer.BadParameter` for anything else."""
    plain, found, at = text.strip().lower(), timedelta(0), 0
    while part := _PART.match(plain, at):
        found += timedelta(**{_UNITS[part[2]]: float(part[1])})
        at = part.end()
    if plain and at == len(plain):
        return found
    if plain.startswith("p"):
        from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - heavy, and rare

        try:
            return TypeAdapter(timedelta).validate_python(text.strip().upper())
        except ValidationError:
            pass
    raise typer.BadParameter(f"expected a length of time such as 2h, 90m or PT2H, found {text!r}")


def moment(text: str) -> datetime:
    """ISO 8601 with its zone, or `now`. Raises `typer.BadParameter` for anything else."""
    if text.strip().lower() == "now":
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter(
            f"expected a time with its zone, such as 2026-03-04T12:00Z or 2026-03-04T12:00+01:00, "
            f"found {text!r}"
        )
    return found


def left(seconds: float) -> str:
    """A length of time that ticks: 1:02:03, 12:04 or 0:09; a minus before what has passed."""
    sign = "-" if seconds < 0 else ""
    minutes, rest = divmod(int(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days} d {hours} h"
    return f"{sign}{hours}:{minutes:02}:{rest:02}" if hours else f"{sign}{minutes}:{rest:02}"
