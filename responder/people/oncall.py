"""Who is on call: rosters by turns, in their own time zone, with days off and people who stand in."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from responder.incident import Frozen, Name
from responder.policy.holidays import Holidays

_DAY = timedelta(days=1)


class Roster(Frozen):
    """
    A team's people, who are on call by turns.

    Turns are counted on the clock on the wall: a handover at 09:00 stays at 09:00 when summer time
    begins or ends, and the turn with the change in it is an hour shorter or longer.
    """

    name: Name = Field(description="The roster's unique name, such as `secops`.")
    team: Name = Field(description="Whose it is: what an escalation names, such as `CISO`.")
    people: tuple[Name, ...] = Field(min_length=1, description="Who takes turns, in their order.")
    zone: str = Field(
        default="UTC", description="The time zone of its times, such as Europe/Paris."
    )
    began: date = Field(description="The day on which the first of `people` first took over.")
    handover: time = Field(default=time(9), description="When one hands over to the next.")
    every: timedelta = Field(
        default=timedelta(days=7), ge=timedelta(hours=1), description="How long a turn is."
    )
    holidays: Holidays | None = Field(
        default=None,
        description="Days on which nobody of this roster is on call; another roster of the team, or "
        "the next level, is reached then.",
    )

    @field_validator("zone")
    @classmethod
    def _that_there_is(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"{value!r} is no time zone; expected one such as Europe/Paris"
            ) from error
        return value

    @field_validator("handover")
    @classmethod
    def _of_the_roster(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError(
                "the handover is in the roster's own zone; expected 09:00, not an offset"
            )
        return value

    def turn(self, at: datetime) -> int:
        """Which turn it is, from 0; below 0 the roster has not begun."""
        local = at.astimezone(_zone(self.zone)).replace(tzinfo=None)
        turn = (local - datetime.combine(self.began, self.handover)) // self.every
        # The hour that the wall clock shows twice does not bring the last turn back.
        while self.starts(turn + 1) <= at:
            turn += 1
        while self.starts(turn) > at:
            turn -= 1
        return turn

    def starts(self, turn: int) -> datetime:
        """When *turn* begins, UTC: at the first of a time shown twice, an hour after one that is skipped."""
        local = datetime.combine(self.began, self.handover) + turn * self.every
        return local.replace(tzinfo=_zone(self.zone)).astimezone(UTC)

    def off(self, at: datetime) -> bool:
        """Whether it is a day off."""
        if self.holidays is None:
            return False
        return self.holidays.has(at.astimezone(_zone(self.zone)).date())

    def by_turn(self, at: datetime) -> str | None:
        """Whose turn it is, not looking at who stands in."""
        turn = self.turn(at)
        if turn < 0 or self.off(at):
            return None
        return self.people[turn % len(self.people)]


class Override(Frozen):
    """Somebody stands in for whoever's turn it is, from one moment to another."""

    id: str
    roster: str
    person: str
    start: datetime
    end: datetime
    reason: str = ""

    def covers(self, at: datetime) -> bool:
        """Whether it is in force at that moment."""
        return self.start <= at < self.end


class Shift(Frozen):
    """One person on call for one roster: as of a moment, and until the next change."""

    roster: str
    team: str
    person: str | None
    until: datetime
    stands_in: bool = False


class OnCall(Frozen):
    """Every roster, and how well people must be reachable."""

    rosters: tuple[Roster, ...] = Field(
        default=(),
        description="Who is on call; a team with several rosters has several people on call, the first "
        "roster's first. A team with none is reached as a whole.",
    )
    channels: int = Field(
        default=2,
        ge=1,
        le=9,
        description="By how many channels somebody of each level must be reached.",
    )
    ahead: timedelta = Field(
        default=timedelta(days=14),
        ge=timedelta(0),
        le=timedelta(days=366),
        description="How far ahead levels without anybody are looked for.",
    )
    refuse: bool = Field(
        default=True,
        description="Whether `serve` refuses to start while rosters are set and a level of a chain reaches "
        "nobody by so many channels.",
    )

    @model_validator(mode="after")
    def _of_different_names(self) -> Self:
        names = [roster.name for roster in self.rosters]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rosters are named {', '.join(twice)}")
        return self

    def roster(self, name: str) -> Roster | None:
        """The roster of that name."""
        return next((one for one in self.rosters if one.name == name), None)

    def of(self, team: str) -> tuple[Roster, ...]:
        """The rosters of *team*, in order."""
        wanted = team.casefold()
        return tuple(one for one in self.rosters if one.team.casefold() == wanted)

    def shift(self, roster: Roster, at: datetime, overrides: Sequence[Override] = ()) -> Shift:
        """Who is on call for *roster* at that moment, and until when."""
        standing_in = _newest(overrides, roster.name, at)
        person = standing_in.person if standing_in else roster.by_turn(at)
        until = _next_change(roster, at, overrides, standing_in)
        return Shift(
            roster=roster.name,
            team=roster.team,
            person=person,
            until=until,
            stands_in=standing_in is not None,
        )

    def shifts(
        self, roster: Roster, start: datetime, end: datetime, overrides: Sequence[Override] = ()
    ) -> Iterator[tuple[datetime, Shift]]:
        """Every shift of *roster* that begins in the time, or goes on at its start, with its beginning."""
        at = start
        while at < end:
            shift = self.shift(roster, at, overrides)
            yield at, shift
            at = shift.until

    def anybody(self, at: datetime, overrides: Sequence[Override] = ()) -> frozenset[str]:
        """The names of everybody who is on call for any team."""
        found = (self.shift(roster, at, overrides).person for roster in self.rosters)
        return frozenset(name for name in found if name is not None)

    def on_call(
        self, team: str, at: datetime, overrides: Sequence[Override] = ()
    ) -> tuple[str, ...]:
        """The names of who is on call for *team*, the first roster's first, each once."""
        found = (self.shift(roster, at, overrides).person for roster in self.of(team))
        return tuple(dict.fromkeys(name for name in found if name is not None))


def _newest(overrides: Iterable[Override], roster: str, at: datetime) -> Override | None:
    """What was said last counts: overrides come in the order in which they were made."""
    covering = [one for one in overrides if one.roster == roster and one.covers(at)]
    return covering[-1] if covering else None


def _next_change(
    roster: Roster, at: datetime, overrides: Sequence[Override], standing_in: Override | None
) -> datetime:
    edges = [roster.starts(roster.turn(at) + 1)]
    edges += [_midnight_after(roster, at)] if roster.holidays else []
    edges += [one.start for one in overrides if one.roster == roster.name and one.start > at]
    if standing_in is not None:
        edges = [e for e in edges if e < standing_in.end] + [standing_in.end]
    later = [edge for edge in edges if edge > at]
    return min(later, default=at + roster.every)


def _midnight_after(roster: Roster, at: datetime) -> datetime:
    zone = _zone(roster.zone)
    following = at.astimezone(zone).date() + _DAY
    return datetime.combine(following, time(), zone).astimezone(UTC)


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
