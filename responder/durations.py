"""Lengths of time as people type them: `2h`, `1h30m`, or ISO 8601 (`PT2H`)."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_PART = re.compile(r"(\d{1,6})([wdhms])")


def spelled(value: Any) -> Any:  # noqa: ANN401 - whatever pydantic is given
    """*value* as a length of time if it is one like `1h30m`; anything else is left to pydantic."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower().replace(" ", "")
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return value
    return sum((timedelta(**{_UNITS[unit]: int(n)}) for n, unit in parts), timedelta(0))


Duration = Annotated[timedelta, BeforeValidator(spelled), Field(gt=timedelta(0))]
