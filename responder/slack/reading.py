"""
What a card needs to know of an incident, read from `responder.standing.whole`'s plain data.

Tolerant of what is missing: a card that is drawn without a part is better than no card.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import Any

from pydantic import TypeAdapter, ValidationError

Row = Mapping[str, Any]

_SPAN = TypeAdapter(timedelta)
_LONGEST = 1_000
_UNBROKEN = "\u00a0"  # a number and its unit stay on one line
_ROUND_HOURS = 10
_EXACT, _STEP = 30, 5  # minutes

_WORDS = {
    "open": "waiting", "approved": "recorded", "denied": "denied", "expired": "expired",
    "revoked": "revoked", "edited": "edited",
}  # fmt: skip
_STATUS = {
    "contained": ("contained", "Contained"),
    "partly contained": ("not-contained", "Partly contained"),
    "NOT CONTAINED": ("not-contained", "NOT CONTAINED"),
    "released": ("undone", "Undone"),
    "responding": ("running", "Running"),
    "waiting for approval": ("waiting", "Waiting for approval"),
    "unanswered": ("not-contained", "No playbook answers"),
}


@dataclass(frozen=True)
class Group:
    """Changes of one verb at the same points for the same time: one line of a plan."""

    verb: str
    targets: tuple[str, ...]
    points: tuple[Row, ...]
    lasts: timedelta | None
    reversible: bool

    @property
    def names(self) -> list[str]:
        """Its enforcement points' names, each once."""
        return list(dict.fromkeys(str(point.get("point", "")) for point in self.points))


@dataclass(frozen=True)
class Look:
    """One look at an incident at *now*."""

    incident: Row
    now: datetime

    @property
    def id(self) -> str:
        """The incident's number."""
        return str(self.incident.get("id", "?"))

    def rows(self, name: str) -> list[Row]:
        """The rows of one kind; none if there is no such part."""
        return list(self.incident.get(name) or [])

    @cached_property
    def ask(self) -> Row | None:
        """The ask that the card is about: the open one that expires first, else the last one."""
        asks = self.rows("asks")
        if waiting := [ask for ask in asks if self.waits(ask)]:
            return min(waiting, key=lambda ask: str(ask.get("expires")))
        return max(asks, key=lambda ask: str(ask.get("opened")), default=None)

    @property
    def waiting(self) -> Row | None:
        """The ask that waits for a person, if one does."""
        return self.ask if self.ask is not None and self.waits(self.ask) else None

    @property
    def also_waiting(self) -> int:
        """How many further asks wait."""
        return max(sum(map(self.waits, self.rows("asks"))) - 1, 0)

    def waits(self, ask: Row) -> bool:
        """Whether a person can still decide *ask*."""
        expires = moment(ask.get("expires"))
        return ask.get("state") == "open" and (expires is None or expires > self.now)

    @cached_property
    def plans(self) -> list[Row]:
        """The plans that the card shows: what is asked, or what the steps do."""
        if self.waiting is not None:
            return [self.waiting.get("plan") or {}]
        plans: list[Row] = [step.get("plan") or {} for step in self.rows("steps")]
        return plans or [ask.get("plan") or {} for ask in self.rows("asks")]

    @cached_property
    def groups(self) -> list[Group]:
        """The actions of its plans, those of one kind together."""
        return grouped(change for plan in self.plans for change in plan.get("changes") or [])

    @property
    def digest(self) -> str:
        """The digest of the plan that the card shows; empty without one."""
        if self.ask is not None:
            return str(self.ask.get("digest", ""))
        return str(next((s.get("digest", "") for s in reversed(self.rows("steps"))), ""))

    @property
    def closed(self) -> bool:
        """Whether the incident is closed."""
        return bool(self.incident.get("closed"))

    @property
    def owner(self) -> str:
        """Who owns it; empty if nobody does."""
        return str(self.incident.get("owner") or "")

    @property
    def live(self) -> list[Row]:
        """The holds that have not ended."""
        return [
            hold
            for hold in self.rows("holds")
            if hold.get("ended") is None
            and ((until := moment(hold.get("until"))) is None or until > self.now)
        ]

    @property
    def state(self) -> tuple[str, str]:
        """How far it is, as a word for programs and as words for people."""
        if self.closed:
            said = str(self.incident.get("status") or "closed")
            return "closed", said[:1].upper() + said[1:].replace("_", " ")
        if self.waiting is None and self.ask is not None and self.ask.get("state") == "open":
            expires = moment(self.ask.get("expires"))
            return "expired", f"Expired {expires:%H:%M}, nothing was done" if expires else "Expired"
        if self.waiting is None and self.incident.get("progress_word"):
            return str(self.incident["progress_word"]), str(self.incident.get("progress") or "")
        ask = self.ask
        if ask is not None and (self.waiting is not None or ask.get("progress_word")):
            word, said = str(ask.get("progress_word") or "waiting"), str(ask.get("progress") or "")
            return word, "Waiting for approval" if said in ("", "Waiting") else said
        if ask is not None and ask.get("state") in ("denied", "expired", "revoked", "edited"):
            word = _WORDS[str(ask["state"])]
            at = moment(ask.get("decided"))
            return word, f"{word.capitalize()}{f' {at:%H:%M}' if at else ''}"
        status = str(self.incident.get("status") or "open")
        word, said = _STATUS.get(status, ("running", status))
        at = moment(self.incident.get("contained"))
        return word, f"{said} {at:%H:%M}" if word == "contained" and at else said

    @property
    def nothing_done(self) -> bool:
        """Whether the last ask ended without anything done, by it or before it."""
        if any(step.get("state") in ("carrying", "done") for step in self.rows("steps")):
            return False
        over = ("denied", "expired", "revoked")
        word = (self.ask or {}).get("progress_word") or (self.ask or {}).get("state")
        return self.waiting is None and not self.live and word in over

    @property
    def beside(self) -> str:
        """What belongs to the state beside its words: how the ask ended, or how far a closed one came."""
        source = self.incident if self.closed else self.ask
        if source is None or self.waiting is not None or not (self.closed or self.nothing_done):
            return ""
        said = str(source.get("progress") or "")
        return "" if said == self.state[1] else said

    @property
    def clocks(self) -> list[Row]:
        """The clocks that run, the next to strike first."""
        running = [row for row in self.rows("clocks") if row.get("met") is None]
        return sorted(running, key=lambda row: str(row.get("due")))


def paused_until(clock: Row, now: datetime) -> datetime | None:
    """Until when *clock* stands still at *now*; None if it runs."""
    for one in clock.get("pauses") or []:
        begins, until = moment(one.get("from")), moment(one.get("until"))
        if begins is not None and until is not None and begins <= now < until:
            return until
    return None


def grouped(changes: Iterable[Row]) -> list[Group]:
    """Changes as lines: neighbours of one verb, at the same points, for the same time, are one line."""

    def kind(change: Row) -> tuple[str, tuple[str, ...], str, bool]:
        verb, _, _ = _summary(change).partition(" ")
        points = tuple(sorted({str(p.get("point", "")) for p in change.get("points") or []}))
        return verb, points, str(change.get("lasts")), bool(change.get("reversible", True))

    made = []
    for (verb, _, _, reversible), same in groupby(changes, kind):
        of = list(same)
        targets = [_summary(change).partition(" ")[2] for change in of]
        points = [point for change in of for point in change.get("points") or []]
        made.append(
            Group(
                verb=verb or "change",
                targets=tuple(target for target in targets if target),
                points=tuple(points),
                lasts=span(of[0].get("lasts")),
                reversible=reversible,
            )
        )
    return made


def _summary(change: Row) -> str:
    """What an action is called, up to more of it than any line shows."""
    return str(change.get("summary", ""))[:_LONGEST].strip()


def moment(value: object) -> datetime | None:
    """A time as rows or JSON carry it."""
    if isinstance(value, str) and value:
        return datetime.fromisoformat(value)
    return value if isinstance(value, datetime) else None


def span(value: object) -> timedelta | None:
    """A duration as JSON carries it: ISO 8601, or seconds."""
    if isinstance(value, timedelta) or value is None:
        return value
    if isinstance(value, (int, float)):
        return timedelta(seconds=value)
    try:
        return _SPAN.validate_python(value)
    except ValidationError:
        return None


def lasting(duration: timedelta) -> str:
    """A duration as people say it: 45 s, 12 min, 24 h, 3 days."""
    seconds = int(abs(duration).total_seconds())
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds}{_UNBROKEN}s"
    minutes = seconds // 60
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes}{_UNBROKEN}min"
    hours, rest = divmod(minutes, 60)
    if hours < 72:  # noqa: PLR2004 - three days
        more = f"{_UNBROKEN}{rest}{_UNBROKEN}min" if rest and hours < _ROUND_HOURS else ""
        return f"{hours}{_UNBROKEN}h{more}"
    return f"{hours // 24}{_UNBROKEN}days"


def left(duration: timedelta) -> str:
    """
    How much time is left or over, never more than there is: to the minute below half an hour.

    In steps of five minutes above, so that a card that nobody hurries for is not edited every minute.
    """
    minutes = int(abs(duration).total_seconds()) // 60
    return lasting(timedelta(minutes=minutes - minutes % _STEP) if minutes > _EXACT else duration)


def about(at: datetime) -> datetime:
    """*at* in steps of five minutes."""
    return at - timedelta(minutes=at.minute % _STEP)


def utc(at: datetime, now: datetime) -> str:
    """A time in the one zone that everybody shares, with its day where that is not today."""
    days = (at.date() - now.date()).days
    day = {0: "", 1: " tomorrow", -1: " yesterday"}.get(days)
    return f"{at:%H:%M} UTC{day}" if day is not None else f"{at:%-d %b %H:%M} UTC"


def points_of(plans: Sequence[Row]) -> list[str]:
    """Every enforcement point that *plans* touch, each once."""
    found = (
        str(point.get("point", ""))
        for plan in plans
        for change in plan.get("changes") or []
        for point in change.get("points") or []
    )
    return [name for name in dict.fromkeys(found) if name]
