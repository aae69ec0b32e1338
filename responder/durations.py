"""Lengths of time as people type them: `2h`, `1h30m`, `90 s`, or ISO 8601 (`PT2H`)."""

import re
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

_UNITS = {
    "w": "weeks", "d": "days", "h": "hours", "min": "minutes", "m": "minutes", "s": "seconds",
}  # fmt: skip
_PART = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(min|[wdhms])")


def spelled(value: Any) -> Any:  # noqa: ANN401 - whatever pydantic is given
    """*value* as a length of time if it is one like `1h30m`; anything else is left to pydantic."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower().replace(" ", "")
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return value
    return sum((timedelta(**{_UNITS[unit]: float(n)}) for n, unit in parts), timedelta(0))


Duration = Annotated[timedelta, BeforeValidator(spelled), Field(gt=timedelta(0))]
_READ: TypeAdapter[timedelta] = TypeAdapter(Duration)


def parsed(text: str) -> timedelta:
    """What *text* says. Raises `ValueError` if it is no length of time, or none at all."""
    plain = text.strip().upper()
    # pydantic reads a bare number as seconds, and `2` is as likely meant to be hours.
    if plain.startswith("P") or spelled(plain) is not plain:
        with suppress(ValidationError):
            return _READ.validate_python(plain)
    raise ValueError(f"expected a length of time such as 2h, 90m or PT2H, found {text!r}")
