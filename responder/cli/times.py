"""Lengths of time and moments as people type them."""

from datetime import UTC, datetime, timedelta

import typer


def length(text: str) -> timedelta:
    """`2h`, `1h30m`, `90 s`, or ISO 8601 such as PT2H. Raises `typer.BadParameter` for anything else."""
    from responder.durations import parsed  # noqa: PLC0415 - pydantic is heavy

    try:
        return parsed(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


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
