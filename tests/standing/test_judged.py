"""How far an incident is contained, from rows alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.standing.board import board
from responder.standing.facts import Facts
from responder.standing.judging import judged

SAID = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW = SAID + timedelta(hours=2)


def facts(*steps: dict[str, Any], holds: tuple[str, ...] = ()) -> Facts:
    return Facts(
        at=NOW,
        incident={},
        runs=[{"id": "run", "contained": SAID, "state": "open"}],
        steps=[{"run": "run", "said": "", "finished": SAID, **step} for step in steps],
        asks=[],
        clocks=[],
        holds=[held(outcome=outcome) for outcome in holds],
    )


def held(**changed: Any) -> dict[str, Any]:
    """A hold that lives for an hour yet, but for what is *changed*."""
    return {
        "resource": "block/edge/203.0.113.7",
        "taken": SAID,
        "until": NOW + timedelta(hours=1),
        "ended": None,
        "ended_by": None,
        "resource_state": "held",
        "outcome": "verified",
        "said": "",
        **changed,
    }


BY_TIME = {"until": NOW, "ended": NOW, "ended_by": "time", "resource_state": "clear"}
BY_ANA = {"ended": NOW, "ended_by": "ana", "resource_state": "clear"}
UNMARKED = {"until": NOW}
DONE_ONCE = {"ended": SAID, "ended_by": "done", "resource_state": "settled"}


@pytest.mark.parametrize("state", ["refused", "drifted"])
def test_what_was_refused_before_a_run_called_itself_contained_is_not_contained(state: str) -> None:
    before = SAID - timedelta(seconds=1)
    assert judged(facts({"state": state, "finished": before})) == "NOT CONTAINED"
    found = judged(facts({"state": state, "finished": before}, holds=("verified",)))
    assert found == "partly contained"


def test_what_was_refused_afterwards_does_not_undo_it() -> None:
    after = SAID + timedelta(seconds=1)
    assert (
        judged(facts({"state": "refused", "finished": after}, holds=("verified",))) == "contained"
    )


def test_one_refused_action_of_a_batch_leaves_it_partly_contained() -> None:
    done = {"state": "done", "said": "block 10.0.0.1: it is ours"}
    assert judged(facts(done, holds=("verified",))) == "partly contained"


@pytest.mark.parametrize(
    ("holds", "status"),
    [
        pytest.param([held()], "contained", id="it lives"),
        pytest.param([held(until=None)], "contained", id="until a person ends it"),
        pytest.param([held(**BY_TIME)], "released", id="ended by time"),
        pytest.param([held(**BY_ANA)], "released", id="ended by a person"),
        pytest.param([held(**UNMARKED)], "released", id="over, and nobody has marked it"),
        pytest.param([held(**BY_ANA), held(**BY_TIME)], "released", id="both ended"),
        pytest.param([held(**BY_ANA), held()], "contained", id="one of two lives"),
        pytest.param(
            [held(**BY_ANA), held(outcome="unknown")], "NOT CONTAINED", id="a silent one lives"
        ),
        pytest.param([held(**DONE_ONCE)], "contained", id="done once, and never let go"),
        pytest.param([held(**DONE_ONCE), held(**BY_TIME)], "released", id="the lease beside it"),
        pytest.param([], "contained", id="nothing to hold"),
    ],
)
def test_an_incident_whose_holds_have_all_ended_is_released_and_not_contained(
    holds: list[dict[str, Any]], status: str
) -> None:
    assert judged(replace(facts({"state": "done"}), holds=holds)) == status


def test_the_board_says_which_holds_ended_when_and_by_whom() -> None:
    incident: dict[str, Any] = {
        "id": "INC-1",
        "priority": "P2",
        "title": "t",
        "owner": None,
        "acknowledged": SAID,
        "contained": SAID,
        "indicators": {},
    }
    holds = [held(**BY_ANA), held(**UNMARKED), held()]
    said = board(replace(facts(), incident=incident, holds=holds), "released").splitlines()
    leases = [line.split(" · ")[-1] for line in said if line.startswith("- block/")]
    assert leases == [
        "ended by ana at 2026-11-21 14:00:00",
        "ended by time at 2026-11-21 14:00:00; being undone",
        "verified",
    ]
