"""Before it is needed: does every level of every chain reach somebody, by enough channels, also next week?"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from responder.errors import ConfigurationError
from responder.incident import Frozen
from responder.notify.routing import Routing
from responder.people.oncall import Override
from responder.people.reach import Reach, Reached


class Gap(Frozen):
    """A level that reaches nobody well enough, and from when on."""

    level: str
    chains: tuple[str, ...]
    since: datetime
    found: str

    def __str__(self) -> str:
        chains = ", ".join(self.chains)
        return f"{self.level} ({chains}) from {self.since:%Y-%m-%d %H:%M} UTC: {self.found}"


def refuse_gaps(
    reach: Reach, routing: Routing, now: datetime, overrides: Sequence[Override] = ()
) -> None:
    """
    Refuse to start where rosters are set and a level reaches nobody well enough.

    Raises `ConfigurationError` with every gap at once, unless the settings say not to refuse.
    """
    if not (reach.oncall.rosters and reach.oncall.refuse):
        return
    if found := gaps(reach, routing, now, overrides):
        raise ConfigurationError(*(f"oncall: {gap}" for gap in found))


def gaps(
    reach: Reach, routing: Routing, now: datetime, overrides: Sequence[Override] = ()
) -> list[Gap]:
    """
    Every level that is without somebody whom enough channels reach, from now to the end of the look-ahead.

    Each level is looked at whenever one of its rosters changes hands; a fault is named once, for
    its first moment.
    """
    found = []
    for level, priorities in reach.levels().items():
        seen: set[str] = set()
        for at in _moments(reach, level, now, overrides):
            said = _fault(reach.of(level, at, overrides), level, routing, reach.oncall.channels)
            if said and said not in seen:
                seen.add(said)
                chains = tuple(priority.value for priority in priorities)
                found.append(Gap(level=level, chains=chains, since=at, found=said))
    return found


def _moments(
    reach: Reach, level: str, now: datetime, overrides: Sequence[Override]
) -> Iterator[datetime]:
    yield now
    end = now + reach.oncall.ahead
    edges = {
        at
        for roster in reach.oncall.of(level)
        for at, _ in reach.oncall.shifts(roster, now, end, overrides)
    }
    yield from sorted(edges - {now})


def _fault(reached: Reached, level: str, routing: Routing, wanted: int) -> str:
    if reached.said:
        return reached.said
    if not reached.people:
        return "there is nobody in it"
    by = {one.name: routing.reaching(one, level) for one in reached.people}
    if any(len(channels) >= wanted for channels in by.values()):
        return ""
    each = "; ".join(
        f"{name} by {' and '.join(channels) or 'no channel'}" for name, channels in by.items()
    )
    return f"expected somebody reached by {wanted} channels, found {each}"
