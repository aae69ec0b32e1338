"""Slack's client: paced, honest about what is known of a call that failed, and never talked into other hosts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import ValidationError

from responder.errors import ConfigurationError
from responder.slack.client import Slack
from responder.slack.errors import SlackRefused, SlackUnreachable
from responder.slack.pace import Pace
from responder.slack.running import open_slack
from responder.slack.settings import SlackSettings
from tests.slack_double import Slack as Double


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as found:
        yield found


@pytest_asyncio.fixture
async def slack(double: Double) -> AsyncIterator[Slack]:
    made = Slack(SlackSettings.model_validate(double.settings()))
    yield made
    await made.close()


def test_a_channel_is_written_to_once_a_second_and_others_are_not_held_up() -> None:
    time = Time()
    pace = Pace(time)
    assert pace.turn("chat.postMessage", "C1") == 0
    assert pace.turn("chat.postMessage", "C1") == 1.0
    assert pace.turn("chat.postMessage", "C1") == 2.0
    assert pace.wait("chat.postMessage", "C2") == 0
    assert pace.wait("chat.update", "C1") == 0
    time.now += 3
    assert pace.wait("chat.postMessage", "C1") == 0


def test_edits_take_turns_in_the_whole_workspace() -> None:
    pace = Pace(Time())
    turns = [pace.turn("chat.update", f"C{n}") for n in range(50)]
    assert turns[-1] == pytest.approx(49 * 1.2)


def test_what_is_not_paced_waits_only_when_slack_says_so() -> None:
    time = Time()
    pace = Pace(time)
    assert [pace.turn("views.open") for _ in range(5)] == [0] * 5
    pace.stopped("users.info", "", 30)
    assert pace.wait("users.info") == 30
    assert pace.wait("views.open") == 0
    time.now += 30
    assert pace.wait("users.info") == 0


async def test_posts_in_one_channel_are_a_second_apart_without_a_429(
    slack: Slack, double: Double
) -> None:
    for number in range(3):
        await slack.post("C0IR", None, f"m{number}")
    assert [m["text"] for m in double.posts()] == ["m0", "m1", "m2"]
    first, last = (float(m) for m in (0, slack.pace.wait("chat.postMessage", "C0IR")))
    assert last > first


async def test_a_429_is_known_to_have_done_nothing_and_stops_only_its_method(
    slack: Slack, double: Double
) -> None:
    busy = {"ok": False, "error": "ratelimited"}
    double.answers.append(("users.info", 429, busy, {"Retry-After": "17"}))
    with pytest.raises(SlackUnreachable) as caught:
        await slack.user("U0ANA")
    assert (caught.value.undone, caught.value.wait) == (True, 17)
    with pytest.raises(SlackUnreachable, match="its turn is in"):
        await slack.user("U0ANA")
    assert await slack.post("C0IR", None, "still")


async def test_what_is_known_after_each_way_to_fail(slack: Slack, double: Double) -> None:
    double.lost.append("chat.postMessage")
    with pytest.raises(SlackUnreachable) as lost:
        await slack.post("C0IR", None, "m")
    assert not lost.value.undone
    double.answers.append(("auth.test", 503, {}, {}))
    with pytest.raises(SlackUnreachable) as broken:
        await slack.call("auth.test")
    assert not broken.value.undone
    with pytest.raises(SlackRefused) as refused:
        await slack.post("C0NONE", None, "m")
    assert refused.value.error == "channel_not_found"
    double.scopes = ()
    with pytest.raises(SlackRefused, match="needs users:read"):
        await slack.user("U0ANA")
    await double.stop()
    with pytest.raises(SlackUnreachable):  # it finds that the connection it had is gone
        await slack.call("auth.test")
    with pytest.raises(SlackUnreachable) as down:
        await slack.call("auth.test")
    assert down.value.undone


async def test_a_modal_opens_once_and_is_updated(slack: Slack, double: Double) -> None:
    view = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}
    trigger = double._trigger("U0ANA")
    name = await slack.open_modal(trigger, view)
    await slack.update_modal(name, view | {"private_metadata": "m"})
    assert double.views[name]["private_metadata"] == "m"
    with pytest.raises(SlackRefused, match="exchanged_trigger_id"):
        await slack.open_modal(trigger, view)


async def test_a_person_is_answered_where_they_are_and_nobody_elsewhere(
    slack: Slack, double: Double
) -> None:
    await slack.ephemeral("C0IR", "U0ANA", None, "only you")
    assert double.private[0]["user"] == "U0ANA"
    url = double._url("C0IR", "", "U0ANA")
    await slack.respond(url, None, "done")
    assert double.responses[0]["response_type"] == "ephemeral"
    for _ in range(4):
        await slack.respond(url, None, "done")
    with pytest.raises(SlackRefused):
        await slack.respond(url, None, "a sixth time")
    for other in ("http://127.0.0.1:1/x", "https://slack.com.example.com/x", "file:///etc/passwd",
                  "http://hooks.slack.com/x", "https://hooks.slack.com@198.51.100.1/x"):  # fmt: skip
        with pytest.raises(SlackRefused, match="not one of Slack's"):
            await slack.respond(other, None, "to somebody else")


async def test_tokens_may_stand_in_files_and_a_missing_one_is_a_fault_at_the_start(
    double: Double, tmp_path: Path
) -> None:
    (tmp_path / "bot").write_text(f"{double.bot_token}\n")
    given = double.settings(bot_token_file=str(tmp_path / "bot"))
    del given["bot_token"]
    slack = open_slack(SlackSettings.model_validate(given))
    assert slack is not None
    assert (await slack.call("auth.test"))["team_id"] == "T0LAB"
    await slack.close()
    with pytest.raises(ConfigurationError, match="No such file"):
        open_slack(SlackSettings.model_validate({**given, "bot_token_file": str(tmp_path / "no")}))
    assert open_slack(None) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"app_token": None}, "app_token or app_token_file is needed in the mode socket"),
        ({"mode": "http"}, "signing_secret or signing_secret_file is needed in the mode http"),
        ({"bot_token_file": "x"}, "bot_token is given twice"),
        ({"channel": "#incidents"}, "channel"),
        ({"team": "lab"}, "team"),
        ({"base_url": "https://slack.com/api"}, "base_url"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_words(
    change: dict[str, str | None], said: str
) -> None:
    given = {"bot_token": "xoxb-1", "app_token": "xapp-1", "team": "T0LAB", "app": "A0LAB",
             "channel": "C0IR"} | change  # fmt: skip
    with pytest.raises(ValidationError, match=said):
        SlackSettings.model_validate(given)
