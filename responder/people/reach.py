"""Whom a message reaches: from an audience's name to people, as of a moment."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from responder.incident import Frozen, Priority
from responder.people.oncall import OnCall, Override
from responder.people.person import Directory, Permission, Person, Role
from responder.policy.sla import Targets

# What the runner itself calls the people it tells, beside teams and persons; `approvers` and
# `administrators` are two more.
ESCALATION = "escalation"
_SECURITY_TEAMS = ("security", "security team")


class Reached(Frozen):
    """The people an audience is at a moment, and what went wrong in finding them."""

    people: tuple[Person, ...]
    said: str = ""


class Reach:
    """Audiences by the settings' people, rosters and chains."""

    def __init__(self, people: Directory, oncall: OnCall, sla: Mapping[Priority, Targets]) -> None:
        self.people = people
        self.oncall = oncall
        self._sla = sla

    def of(self, audience: str, at: datetime, overrides: Sequence[Override] = ()) -> Reached:
        """
        Who *audience* is: a person, a team's people on call, or one of the runner's own words.

        A team whose rosters have nobody on call is reached as a whole, and that is said.
        """
        person = self.people.find(audience)
        if person is not None:
            return Reached(people=(person,) if person.active else ())
        match audience.casefold():
            case "approvers":
                return Reached(people=self._who(Permission.APPROVALS_DECIDE))
            case "escalation":
                return self._everybody(at, overrides)
            case "security":
                return self._team(_SECURITY_TEAMS, at, overrides)
            case "administrators":
                # Whoever looks after the machines, if there is a team of that name; else our own admins.
                found = self._team(("administrators",), at, overrides)
                return found if found.people else Reached(people=self._admins(), said=found.said)
        return self._team((audience.casefold(),), at, overrides)

    def levels(self) -> dict[str, tuple[Priority, ...]]:
        """Every level of every chain, and the priorities whose chain it is in."""
        found: dict[str, tuple[Priority, ...]] = {}
        for priority, targets in self._sla.items():
            for level in targets.escalates_to:
                found[level] = (*found.get(level, ()), priority)
        return found

    def _who(self, permission: Permission) -> tuple[Person, ...]:
        return tuple(one for one in self.people if one.may(permission))

    def _everybody(self, at: datetime, overrides: Sequence[Override]) -> Reached:
        """All whom any chain names; without them the admins."""
        found: Iterable[Person] = (
            one for level in self.levels() for one in self.of(level, at, overrides).people
        )
        return Reached(people=_once(found) or self._admins())

    def _admins(self) -> tuple[Person, ...]:
        return tuple(p for p in self.people if p.active and Role.ADMIN in p.roles)

    def _team(self, names: Sequence[str], at: datetime, overrides: Sequence[Override]) -> Reached:
        members = _once(
            one
            for one in self.people
            if one.active and any(team.casefold() in names for team in one.teams)
        )
        rosters = [roster for name in names for roster in self.oncall.of(name)]
        if not rosters:
            return Reached(people=members)
        called = (
            self.people.find(name)
            for team in names
            for name in self.oncall.on_call(team, at, overrides)
        )
        on_call = _once(one for one in called if one is not None and one.active)
        if on_call:
            return Reached(people=on_call)
        team = rosters[0].team
        return Reached(people=members, said=f"nobody is on call for {team}: all of it is told")


def _once(people: Iterable[Person]) -> tuple[Person, ...]:
    return tuple({one.name: one for one in people}.values())
