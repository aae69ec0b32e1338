"""Who somebody in Slack is: by the admin's mapping only, and twenty kinds of nobody."""

from typing import Any

import pytest

from responder.errors import Refused
from responder.people.person import Directory, Person, Role, SlackUser
from responder.slack.errors import SlackRefused
from responder.slack.heard import Heard
from responder.slack.identity import who
from tests.slack.desk import PEOPLE, Desk, slack_user
from tests.slack.test_deciding import ONE_CLICK, T1

ADMIN = Person(name="ana", roles=(Role.ADMIN,), slack=slack_user("ana"))


def pressed(**changed: Any) -> Heard:
    """A click of ana's, or of somebody like her."""
    given: dict[str, Any] = {
        "kind": "button", "key": "k", "team": "T0LAB", "user": "U0ANA", "enterprise": "", "app": "A0LAB",
        "payload": {"user": {"id": "U0ANA", "team_id": "T0LAB", "name": "ana"}}, "channel": "C0IR",
    } | changed  # fmt: skip
    return Heard(**given)


def of_team(team: object) -> dict[str, Any]:
    return {"user": {"id": "U0ANA", "team_id": team}}


def mapped(**slack: Any) -> tuple[Person, ...]:
    """Ana under another mapping."""
    given = {"team": "T0LAB", "user": "U0ANA"} | slack
    return (ADMIN.model_copy(update={"slack": SlackUser(**given)}),)


# What is heard, whom the settings name, and what Slack says of the user.
NOBODY: dict[str, tuple[dict[str, Any], tuple[Person, ...], dict[str, Any]]] = {
    "an empty mapping": ({}, (), {}),
    "nobody is mapped": ({}, (ADMIN.model_copy(update={"slack": None}),), {}),
    "another user": ({"user": "U0EVE"}, (ADMIN,), {}),
    "no user at all": ({"user": ""}, (ADMIN,), {}),
    "mapped in another workspace": ({}, mapped(team="T0OTHER"), {}),
    "of another workspace": ({"team": "T0OTHER"}, (ADMIN,), {}),
    "no workspace": ({"team": ""}, (ADMIN,), {}),
    "mapped in an organisation, heard without": ({}, mapped(enterprise="E0BIG"), {}),
    "of another organisation": ({"enterprise": "E0BIG"}, (ADMIN,), {}),
    "of another app": ({"app": "A0EVIL"}, (ADMIN,), {}),
    "of no app": ({"app": ""}, (ADMIN,), {}),
    "at home in another workspace": ({"payload": of_team("T0EVIL")}, (ADMIN,), {}),
    "mapped twice": ({}, (ADMIN, ADMIN.model_copy(update={"name": "ben"})), {}),
    "inactive here": ({}, (ADMIN.model_copy(update={"active": False}),), {}),
    "deactivated in Slack": ({}, (ADMIN,), {"deleted": True}),
    "a guest": ({}, (ADMIN,), {"is_restricted": True}),
    "a guest of one channel": ({}, (ADMIN,), {"is_ultra_restricted": True}),
    "a stranger of a shared channel": ({}, (ADMIN,), {"is_stranger": True}),
    "a bot": ({}, (ADMIN,), {"is_bot": True}),
    "an app": ({}, (ADMIN,), {"is_app_user": True}),
    "invited, never joined": ({}, (ADMIN,), {"is_invited_user": True}),
    "of another workspace by Slack's word": ({}, (ADMIN,), {"team_id": "T0EVIL"}),
    "somebody else by Slack's word": ({}, (ADMIN,), {"id": "U0EVE"}),
    "a flag that is not a plain no": ({}, (ADMIN,), {"is_restricted": "false"}),
    "nothing said of guests": ({}, (ADMIN,), {"is_restricted": None}),
    "an e-mail address that matches": (
        {"user": "U0EVE"}, (ADMIN.model_copy(update={"email": "ana@example.com"}),),
        {"id": "U0EVE", "profile": {"email": "ana@example.com"}},
    ),
    "a display name that matches": (
        {"user": "U0EVE", "payload": {"user": {"id": "U0EVE", "team_id": "T0LAB", "name": "ana"}}},
        (ADMIN,), {"id": "U0EVE", "name": "ana", "real_name": "ana"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOBODY)
async def test_nobody_is_taken_for_somebody(desk: Desk, kind: str) -> None:
    heard, people, info = NOBODY[kind]
    _says(desk, info)
    desk.parts.people = Directory(people)
    with pytest.raises(Refused) as refused:
        await who(desk.parts, pressed(**heard))
    assert "\n" not in refused.value.message
    assert refused.value.message.startswith("nothing was done: ")


async def test_a_mapped_member_is_the_person(desk: Desk) -> None:
    assert (await who(desk.parts, pressed())).name == "ana"


async def test_slack_is_asked_once_in_a_minute_and_a_deactivated_user_is_nobody_after_it(
    desk: Desk,
) -> None:
    for _ in range(3):
        await who(desk.parts, pressed())
    assert desk.wire.called("users.info") == 1
    desk.double.users["U0ANA"].deleted = True
    desk.clock.advance(seconds=60)
    with pytest.raises(Refused, match="ana is deactivated in Slack"):
        await who(desk.parts, pressed())
    assert desk.wire.called("users.info") == 2


GRID = {"enterprise_id": "E0BIG", "teams": ["T0HOME", "T0LAB"]}


@pytest.mark.parametrize(
    ("grid", "may"),
    [
        (GRID, True),
        (GRID | {"teams": ["T0HOME"]}, False),
        (GRID | {"enterprise_id": "E0EVIL"}, False),
        ({}, False),
    ],
)
async def test_in_a_grid_a_member_whose_home_is_another_workspace_is_somebody(
    desk: Desk, grid: dict[str, Any], may: bool
) -> None:
    settings = desk.wire.slack.settings.model_copy(update={"enterprise": "E0BIG"})
    desk.wire.slack.settings = settings
    desk.parts.people = Directory(mapped(enterprise="E0BIG"))
    _says(desk, {"team_id": "T0HOME", "enterprise_user": grid})
    click = pressed(enterprise="E0BIG")
    if may:
        assert (await who(desk.parts, click)).name == "ana"
    else:
        with pytest.raises(Refused, match="is of workspace T0HOME, not of T0LAB"):
            await who(desk.parts, click)


@pytest.mark.parametrize("error", ["user_not_found", "missing_scope", "internal_error"])
async def test_while_slack_does_not_say_who_it_is_it_is_nobody(desk: Desk, error: str) -> None:
    desk.double.answers.append(("users.info", 200, {"ok": False, "error": error}, {}))
    with pytest.raises(Refused, match="Slack could not say who you are just now"):
        await who(desk.parts, pressed())
    assert (await who(desk.parts, pressed())).name == "ana", "what failed is not remembered"


async def test_an_unmapped_user_is_told_what_an_admin_would_write(desk: Desk) -> None:
    desk.parts.people = Directory(p for p in PEOPLE if p.name != "cyd")
    await desk.open(of=T1, needs=ONE_CLICK)
    await desk.click("cyd", "approve")
    assert "slack: {team: T0LAB, user: U0CYD}" in desk.said
    assert await desk.count() == 0


async def test_a_guest_who_clicks_decides_nothing(desk: Desk) -> None:
    desk.double.users["U0ANA"].guest = True
    await desk.open(of=T1, needs=ONE_CLICK)
    await desk.click("ana", "approve")
    assert desk.said == "Nothing was done: ana is a guest in Slack"
    assert await desk.count() == 0


def _says(desk: Desk, info: dict[str, Any]) -> None:
    """Let Slack say something of whoever is asked about."""
    slack, plain = desk.wire.slack, desk.wire.slack.user

    async def user(name: str) -> dict[str, Any]:
        try:
            known = await plain(name)
        except SlackRefused:
            known = {"id": name, "team_id": "T0LAB", "deleted": False, "is_restricted": False}
        return known | info

    slack.user = user  # type: ignore[method-assign, assignment]
