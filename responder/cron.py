"""Five fields of a schedule (crontab(5)): checked when settings are read, and asked whether they fit. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from responder.incident import Frozen

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = {
    "month": {name: i + 1 for i, name in enumerate(_MONTHS)},
    "weekday": {name: i for i, name in enumerate(_DAYS)},
}
_SUNDAY = 7  # crontab(5): 0 and 7 are Sunday


class Cron(Frozen):
    """When something is due, as a crontab says it, in one time zone."""

    expression: str = Field(
        description="Minute, hour, day of the month, month, weekday: `0 2 1 * *`."
    )
    time_zone: str = Field(
        default="UTC",
        description="By an IANA name. A local time that a change of the clocks skips does not come.",
    )

    @field_validator("expression")
    @classmethod
    def _five_fields(cls, value: str) -> str:
        days, weekdays = _parsed(value)[2], _parsed(value)[4]
        # crontab(5) takes either of them, Temporal both together: what means two things is refused.
        if len(days) < 31 and len(weekdays) < _SUNDAY:  # noqa: PLR2004 - days of a month
            raise ValueError("expected a day of the month or a weekday, found both")
        return " ".join(value.split())

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"expected a time zone such as Europe/Berlin, found {value!r}"
            ) from error
        return value

    def fits(self, moment: datetime) -> bool:
        """Whether something is due at *moment*, to the minute and at its full minute."""
        local = moment.astimezone(ZoneInfo(self.time_zone))
        if local.second or local.microsecond:
            return False
        minute, hour, day, month, weekday = _parsed(self.expression)
        return (
            local.minute in minute
            and local.hour in hour
            and local.day in day
            and local.month in month
            and local.isoweekday() % _SUNDAY in weekday
        )


def _parsed(expression: str) -> list[frozenset[int]]:
    words = expression.split()
    if len(words) != len(_FIELDS):
        raise ValueError(f"expected 5 fields such as `0 2 1 * *`, found {len(words)}")
    return [_field(word, *field) for word, field in zip(words, _FIELDS, strict=True)]


def _field(word: str, name: str, least: int, most: int) -> frozenset[int]:
    found: set[int] = set()
    for part in word.lower().split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = least, most
        else:
            low = _number(first, name)
            high = _number(last, name) if dash else most if slash else low
        every = _number(step, "") if slash else 1
        if not (least <= low <= high <= most and every > 0):
            raise ValueError(f"{name}: expected {least} to {most}, found {part!r}")
        found.update(range(low, high + 1, every))
    return frozenset(n % _SUNDAY for n in found) if name == "weekday" else frozenset(found)


def _number(word: str, name: str) -> int:
    named = _NAMES.get(name, {}).get(word)
    if named is not None:
        return named
    if not (word.isascii() and word.isdigit() and len(word) < 4):  # noqa: PLR2004 - no field has more digits
        raise ValueError(f"{name or 'step'}: expected a number, found {word!r}")
    return int(word)
