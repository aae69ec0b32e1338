"""How far an incident is contained, from rows alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.standing.facts import Facts
from responder.standing.stand import judged

SAID = datetime(2026, 11, 21, 12, tzinfo=UTC)


def facts(*steps: dict[str, Any], holds: tuple[str, ...] = ()) -> Facts:
    return Facts(
        incident={},
        runs=[{"id": "run", "contained": SAID, "state": "open"}],
        steps=[{"run": "run", "said": "", "finished": SAID, **step} for step in steps],
        asks=[],
        clocks=[],
        holds=[{"ended": None, "resource_state": "held", "outcome": outcome} for outcome in holds],
    )


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
