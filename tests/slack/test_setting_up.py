"""Setting Slack up: the manifest asks for what is used, and `slack check` says what is wrong and how to mend it."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from responder.notify.settings import Notify
from responder.people.person import Person
from responder.slack.checking import Check, check
from responder.slack.manifest import manifest, scopes
from responder.slack.settings import SlackSettings
from tests.slack_double import Channel, Slack


@pytest_asyncio.fixture
async def double() -> AsyncIterator[Slack]:
    async with Slack() as found:
        yield found


async def checks(double: Slack, **more: Any) -> dict[str, Check]:
    settings = SlackSettings.model_validate(double.settings(**more))
    return {one.name: one async for one in check(settings)}


async def test_all_is_well_and_nothing_is_left_in_the_channel(double: Slack) -> None:
    found = await checks(double)
    assert list(found) == [
        "bot token",
        "app token",
        "workspace",
        "scopes",
        "channel C0IR",
        "socket",
    ]
    assert all(one.ok and not one.fix for one in found.values())
    assert double.posts() == []


async def test_over_http_the_signing_secret_is_looked_at_instead(double: Slack) -> None:
    double.request_url = "http://127.0.0.1:1"
    assert (await checks(double))["signing secret"].ok
    double.signing_secret = "not it"
    wrong = (await checks(double))["signing secret"]
    assert not wrong.ok
    assert "not it" not in str(wrong), "a secret is not shown"


@pytest.mark.parametrize(
    ("change", "name", "found", "fix"),
    [
        ({"scopes": ("chat:write", "commands")}, "scopes", "chat:write, commands", "add users:read"),
        (
            {"scopes": ("chat:write", "commands", "users:read", "channels:history")},
            "scopes", "channels:history", "take away channels:history",
        ),
        ({"team": "T0OTHER"}, "workspace", "T0OTHER", "set slack.team to T0OTHER"),
        ({"app": "A0OTHER"}, "socket", "A0OTHER", "set slack.app to A0OTHER"),
        ({"bot_token": "xoxb-new"}, "sign-in", "invalid_auth", "copy the bot token"),
        ({"app_token": "xapp-new"}, "socket", "invalid_auth", "connections:write"),
        ({"app_scopes": ()}, "socket", "missing_scope", "connections:write"),
    ],
)  # fmt: skip
async def test_each_fault_is_named_with_its_remedy(
    double: Slack, change: dict[str, Any], name: str, found: str, fix: str
) -> None:
    settings = SlackSettings.model_validate(double.settings())
    for attribute, value in change.items():
        setattr(double, attribute, value)
    double.sockets._app = double.app
    [one] = [c async for c in check(settings) if not c.ok]
    assert one.name == name
    assert found in one.found
    assert fix in one.fix


async def test_a_channel_that_cannot_be_written_to_is_named(double: Slack) -> None:
    double.channels |= {"C0P1": Channel("C0P1", member=False)}
    found = await checks(double, channels={"P1": "C0P1"})
    assert found["channel C0IR"].ok
    assert found["channel C0P1"].found == "chat.postMessage: not_in_channel"
    assert found["channel C0P1"].fix.endswith("/invite @responder")


async def test_tokens_of_the_wrong_kind_are_told_by_how_they_begin(double: Slack) -> None:
    found = await checks(double, bot_token="xapp-9", app_token="xoxb-9")
    assert {name: one.ok for name, one in found.items()} == {"bot token": False, "app token": False}


async def test_slack_that_cannot_be_reached_is_said(double: Slack) -> None:
    settings = SlackSettings.model_validate(double.settings())
    await double.stop()
    bad = {one.name: one.fix async for one in check(settings) if not one.ok}
    assert list(bad) == ["sign-in", "socket"]
    assert "let this machine reach" in bad["sign-in"]


async def test_the_command_says_it_by_its_exit_status(double: Slack, tmp_path: Path) -> None:
    file = tmp_path / "responder.yaml"
    settings = {"state": str(tmp_path / "state"), "slack": double.settings()}
    file.write_text(yaml.safe_dump(settings))
    environment = {**os.environ, "RESPONDER_CONFIG": str(file)}

    async def say(*words: str) -> tuple[int | None, str, str]:
        made = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "responder", "slack", *words,
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await made.communicate()
        return made.returncode, out.decode(), err.decode()

    status, out, err = await say("check", "--json")
    assert (status, err) == (0, "")
    assert all(one["ok"] for one in json.loads(out))
    double.scopes = ()
    status, out, err = await say("check")
    assert (status, err.strip()) == (1, "2 of 6 failed: scopes, channel C0IR")
    assert double.bot_token not in out
    status, out, _ = await say("manifest")
    assert yaml.safe_load(out) == manifest("socket", "")
    assert (await say("manifest", "--mode", "http"))[0] == 2
    status, out, _ = await say(
        "manifest", "--mode", "http", "--url", "https://ir.example.com", "--json"
    )
    made = json.loads(out)
    assert (
        made["settings"]["interactivity"]["request_url"]
        == "https://ir.example.com/slack/interactions"
    )
    assert made["features"]["slash_commands"][0]["url"] == "https://ir.example.com/slack/commands"
    assert made["settings"]["socket_mode_enabled"] is False


def test_the_settings_of_the_how_to_are_settings() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "slack.md").read_text()
    shown = [
        yaml.safe_load(one)
        for one in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    ]
    slack = [SlackSettings.model_validate(one["slack"]) for one in shown if "slack" in one]
    assert [one.mode for one in slack] == ["socket", "http"]
    assert [Person.model_validate(p).slack for one in shown for p in one.get("people", [])]
    assert [Notify.model_validate(one["notify"]).channels for one in shown if "notify" in one]
    for scope in scopes(look_back=True):
        assert f"`{scope}`" in page


def test_history_is_asked_for_only_where_it_is_used() -> None:
    assert scopes(look_back=False) == ("chat:write", "commands", "users:read")
    assert set(scopes(look_back=True)) - set(scopes(look_back=False)) == {
        "channels:history", "groups:history",
    }  # fmt: skip
