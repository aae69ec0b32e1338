"""Days off: a country's public holidays, and days of one's own."""

from datetime import date
from functools import cache
from typing import Self

from pydantic import Field, model_validator

from responder.incident import Frozen


class Holidays(Frozen):
    """Days that are not worked: by the calendar of a country or part of it, and single ones."""

    country: str | None = Field(
        default=None,
        description="The country whose public holidays count, as ISO 3166-1 alpha-2: DE.",
    )
    subdivision: str | None = Field(
        default=None, description="Its part whose holidays count as well, as ISO 3166-2: BY."
    )
    dates: tuple[date, ...] = Field(default=(), description="Further days off.")

    @model_validator(mode="after")
    def _that_there_are(self) -> Self:
        if self.subdivision is not None and self.country is None:
            raise ValueError("a subdivision is of a country: expected `country` beside it")
        if self.country is not None:
            try:
                _public(self.country, self.subdivision, 2026)
            except NotImplementedError as error:
                raise ValueError(str(error)) from error
        return self

    def has(self, day: date) -> bool:
        """Whether *day* is off."""
        if day in self.dates:
            return True
        return self.country is not None and day in _public(self.country, self.subdivision, day.year)


@cache
def _public(country: str, subdivision: str | None, year: int) -> frozenset[date]:
    """Raises `NotImplementedError`, which names what is known, for an unknown country or part."""
    import holidays  # noqa: PLC0415 - heavy, and only where holidays are set

    return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year))
