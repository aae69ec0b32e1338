"""What may be asked for, and the scripts that are run."""

import subprocess
from typing import Any

import pytest
from pydantic import ValidationError

from activities.collecting import scripts
from activities.collecting.collectors import collectors, deleted, memory, recover
from activities.collecting.scripts import TOOLS
from activities.collecting.steps import LEFT_OUT, NOT_OVER_SSH, STEPS, Profile
from activities.forensics import Acquired, CollectEvidence
from activities.streams import ENVELOPE
from responder.evidence.settings import Scope
from responder.evidence.volatility import Volatility
from responder.incident import Indicators
from tests.forensics.conftest import INCIDENT


def test_the_action_is_reading_and_cannot_be_undone() -> None:
    action = CollectEvidence(host="web", incident=INCIDENT)
    assert str(action) == "collect evidence (triage) of web"
    assert action.desired(Acquired.NONE) is Acquired.ACQUIRED
    assert action.touches() == Indicators(hosts=("web",))
    assert (action.tier, action.reversible) == ("T0", False)


def test_every_row_of_the_rfc_is_a_step_that_is_done_or_waived() -> None:
    assert {step.volatility for step in STEPS} == set(Volatility)
    done = {one.step.value for one in collectors(Profile.FULL, Scope(), since=0, until=1)}
    done |= {
        deleted().step.value,
        recover(1, 1, Scope()).step.value,
        memory(1, 1, Scope()).step.value,
    }
    waived = {waiver.step for waiver in NOT_OVER_SSH}
    assert done | waived == {step.name for step in STEPS}
    assert not done & waived
    triage = {one.step.value for one in collectors(Profile.TRIAGE, Scope(), since=0, until=1)}
    assert triage == done - {"memory"} - {waiver.step for waiver in LEFT_OUT[Profile.TRIAGE]}


def test_every_tool_of_a_collector_is_identified() -> None:
    for one in (
        *collectors(Profile.FULL, Scope(), since=0, until=1),
        deleted(),
        memory(1, 1, Scope()),
    ):
        assert set(one.tools) <= set(TOOLS), one.name


@pytest.mark.parametrize("root", ["relative", "-delete", "", "/a\nb", "/a\0b"])
def test_only_absolute_paths_are_looked_under(root: str) -> None:
    with pytest.raises(ValidationError):
        Scope(roots=(root,))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"waived": [{"step": "memory", "reason": ""}]}, "reason"),
        ({"waived": [{"step": "everything", "reason": "no time at all"}]}, "step"),
        (
            {"waived": [{"step": "memory", "reason": "no time at all"}] * 2},
            "memory is waived twice",
        ),
        ({"profile": "all"}, "profile"),
        ({"window": -1}, "window"),
    ],
)
def test_bad_requests_are_refused_before_anything(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CollectEvidence.model_validate({"host": "web", "incident": INCIDENT} | params)


def test_scripts_are_posix() -> None:
    for name, script in {"ENVELOPE": ENVELOPE, **vars(scripts)}.items():
        if name.isupper() and isinstance(script, str) and name != "EACH":
            checked = subprocess.run(("dash", "-n", "-c", script), capture_output=True, check=False)
            assert checked.returncode == 0, (name, checked.stderr)
