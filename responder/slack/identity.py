"""
Who somebody in Slack is to us: by the admin's mapping of (enterprise, team, user), and by nothing else.

An e-mail address, a display name or a channel proves nothing. Whoever is not mapped, is mapped twice,
is a guest, a bot, a stranger from a shared channel, deactivated there or inactive here may do nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from responder.api.parts import Parts
from responder.errors import Refused
from responder.people.person import Directory, Person
from responder.slack.client import Slack
from responder.slack.errors import SlackError
from responder.slack.heard import Heard

BELIEVED = timedelta(seconds=60)
"""For how long what Slack said of somebody is believed."""
_MOST_KEPT = 1_000
# What users.info says of those who may do nothing: https://docs.slack.dev/reference/objects/user-object
_NOT_A_MEMBER: Mapping[str, str] = {
    "deleted": "is deactivated in Slack",
    "is_restricted": "is a guest in Slack",
    "is_ultra_restricted": "is a guest in Slack",
    "is_stranger": "is of another organisation",
    "is_invited_user": "has not joined this workspace yet",
    "is_bot": "is a bot",
    "is_app_user": "is an app",
    "is_workflow_bot": "is a bot",
    "is_connector_bot": "is a bot",
}
_known: WeakKeyDictionary[Slack, dict[str, tuple[datetime, dict[str, Any]]]] = WeakKeyDictionary()


async def who(parts: Parts, heard: Heard) -> Person:
    """The person who did what was *heard*. Raises `Refused` in one line if it is nobody who may."""
    slack = parts.slack
    if slack is None:
        raise Refused("nothing was done: Slack is not configured here")
    _from_our_app(slack, heard)
    person = mapped(parts.people, heard)
    info = await _info(slack, heard.user, parts.store.now())
    if (said := stranger(info, heard)) is not None:
        raise Refused(f"nothing was done: {person.name} {said}")
    if not person.active:
        raise Refused(f"nothing was done: {person.name} is not active here; an admin can say why")
    return person


def mapped(people: Directory, heard: Heard) -> Person:
    """The one person whom an admin mapped to exactly this enterprise, team and user."""
    found = [
        person
        for person in people
        if person.slack is not None
        and person.slack.user == heard.user
        and person.slack.team == heard.team
        and person.slack.enterprise == heard.enterprise
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(sorted(person.name for person in found))
        raise Refused(f"nothing was done: {names} are mapped to the same Slack user; it is nobody")
    grid = f", enterprise: {heard.enterprise}" if heard.enterprise else ""
    raise Refused(
        "nothing was done: nobody here is you. An admin can map you in the settings, `people`: "
        f"slack: {{team: {heard.team or '?'}, user: {heard.user or '?'}{grid}}}"
    )


def stranger(info: Mapping[str, Any], heard: Heard) -> str | None:
    """Why what Slack says of a user is not a full member of the workspace; None if it is one."""
    if info.get("id") != heard.user:
        return "could not be confirmed: Slack answered for somebody else"
    for flag, said in _NOT_A_MEMBER.items():
        # Only a plain false, or nothing, is a no: what Slack never sent is not believed.
        if info.get(flag, False) is not False:
            return said
    if "deleted" not in info or "is_restricted" not in info:
        return "could not be confirmed: Slack did not say whether it is a guest"
    if info.get("team_id") != heard.team and not _of_our_grid(info, heard):
        return f"is of workspace {str(info.get('team_id'))[:20]}, not of {heard.team}"
    return None


def _of_our_grid(info: Mapping[str, Any], heard: Heard) -> bool:
    """Whether, in Enterprise Grid, a user whose home is another workspace is a member of this one too."""
    grid = info.get("enterprise_user")
    if not heard.enterprise or not isinstance(grid, dict):
        return False
    teams = grid.get("teams")
    inside = isinstance(teams, list) and heard.team in teams
    return inside and grid.get("enterprise_id") == heard.enterprise


def _from_our_app(slack: Slack, heard: Heard) -> None:
    settings = slack.settings
    if heard.app != settings.app:
        raise Refused(f"nothing was done: that came from app {heard.app or 'unknown'}")
    if heard.enterprise != settings.enterprise:
        raise Refused("nothing was done: that came from another organisation")
    if heard.team != settings.team:
        raise Refused(f"nothing was done: that came from workspace {heard.team or 'unknown'}")
    user = heard.payload.get("user")
    home = user.get("team_id") if isinstance(user, dict) else None
    if home is not None and home != heard.team:
        raise Refused(f"nothing was done: you are of workspace {str(home)[:20]}")


async def _info(slack: Slack, user: str, now: datetime) -> dict[str, Any]:
    kept = _known.setdefault(slack, {})
    at, info = kept.get(user, (None, {}))
    if at is not None and timedelta(0) <= now - at < BELIEVED:
        return info
    try:
        info = await slack.user(user)
    except SlackError as error:
        raise Refused(
            "nothing was done: Slack could not say who you are just now; the console and the "
            f"command line work without it ({error.said[:120]})"
        ) from error
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[user] = (now, info)
    return info
