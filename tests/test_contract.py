from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from activities import ACTIONS, LOOKUPS
from activities.block import Block
from activities.certificates import Renewal, RenewCertificate
from activities.cloud_logs import ExportLogs
from activities.collecting.steps import StepName
from activities.forensics import Acquired, CollectEvidence, LeftOut
from activities.isolate import Filter, Isolate
from activities.keys import (
    AddKeyVersion,
    DestroyKeyVersion,
    KeyVersion,
    PromoteKeyVersion,
    RevokeKeyVersion,
)
from activities.mesh_certificates import RotateMeshCertificate
from activities.volumes import SnapshotVolumes
from responder.contract import Action, Found, Lookup, Request
from responder.incident import Indicators
from responder.policy.networks import parse_network
from responder.policy.tiers import Tier
from responder.secrets.contract import Stage, version_for

BLOCK = Block(network=parse_network("203.0.113.7"))
ROTATE = RotateMeshCertificate(host="web1", incident="INC-2026-0001")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VERSION = version_for("INC-2026-0001", "jwt-signing-key")
RENEW = RenewCertificate(certificate="web-tls", renewal=VERSION)
# D3FEND names countermeasures; keeping evidence counters nothing, and has no technique there.
KEEPS_EVIDENCE = {one.__name__ for one in (CollectEvidence, ExportLogs, SnapshotVolumes)}


class Tagged(Action[tuple[str, ...]]):
    """An action with a state of its own."""

    thing: str

    def desired(self, before: tuple[str, ...]) -> tuple[str, ...]:
        return (*before, "seen")


class Sub(Tagged):
    """The bracket is inherited."""


class Who(Lookup[list[int]]):
    """A question."""


def test_the_bracket_says_how_a_state_and_an_answer_are_written_down() -> None:
    assert Sub.state().validate_python(["a"]) == ("a",)
    assert Tagged.state().dump_python(("a",), mode="json") == ["a"]
    assert Who.result().validate_python([1]) == [1]
    assert isinstance(Block.state(), TypeAdapter)


def test_an_action_that_forgot_its_bracket_is_told_what_to_write() -> None:
    class Bare(Action):  # type: ignore[type-arg]
        """No bracket."""

    with pytest.raises(TypeError, match=r"(?s)Bare does not say what it reads.*Action\[bool\]"):
        Bare.state()


def key_changes() -> tuple[KeyVersion, ...]:
    kinds = (AddKeyVersion, PromoteKeyVersion, RevokeKeyVersion, DestroyKeyVersion)
    return tuple(kind(key="jwt-signing-key", version=VERSION) for kind in kinds)


def evidence() -> tuple[CollectEvidence, ExportLogs, SnapshotVolumes]:
    hurried = LeftOut(step=StepName.DISK_TIMES, reason="the volume is snapshotted")
    return (
        CollectEvidence(host="web1", incident="INC-2026-0001", waived=(hurried,)),
        ExportLogs(incident="INC-2026-0001", start=NOON - timedelta(hours=1), end=NOON),
        SnapshotVolumes(host="web1", incident="INC-2026-0001"),
    )


def test_an_action_travels_and_comes_back_equal() -> None:
    actions: tuple[Action[Any], ...] = (
        BLOCK,
        Isolate(host="web1", lasts=timedelta(minutes=90)),
        Block(network=parse_network("2001:db8::/64"), lasts=None),
        ROTATE,
        RENEW,
        *key_changes(),
        *evidence(),
    )
    for action in actions:
        request = Request.of(action)
        again = Request.model_validate_json(request.model_dump_json())
        assert type(action).model_validate(again.params) == action
        assert again.kind == type(action).__name__


@pytest.mark.parametrize("kind", ACTIONS, ids=lambda k: k.__name__)
def test_every_action_says_what_an_author_of_policy_needs(kind: type[Action[object]]) -> None:
    assert kind.__doc__
    assert kind.permissions
    if kind.__name__ in KEEPS_EVIDENCE:
        assert (kind.d3fend, kind.tier, kind.reversible) == ("", Tier.T0, False)
    else:
        assert kind.d3fend.startswith("D3-")
    assert kind.touches is not Action.touches
    assert kind.__str__ is not Action.__str__
    kind.state()


@pytest.mark.parametrize("kind", LOOKUPS, ids=lambda k: k.__name__)
def test_every_lookup_says_what_it_answers(kind: type[Lookup[object]]) -> None:
    assert kind.__doc__
    kind.result()


def test_what_an_action_wants_does_not_depend_on_having_it_already() -> None:
    for before in (True, False):
        assert BLOCK.desired(BLOCK.desired(before)) == BLOCK.desired(before)
    for state in Filter:
        action = Isolate(host="web1")
        assert action.desired(action.desired(state)) is action.desired(state)
        assert action.lapsed(state) is Filter.OPEN
    assert BLOCK.lapsed(True) is False
    assert ROTATE.desired(False) is ROTATE.desired(True) is True
    for change in key_changes():
        for stage in Stage:
            assert change.desired(change.desired(stage)) == change.desired(stage)
    for renewal in Renewal:
        assert RENEW.desired(renewal) is Renewal.RENEWED
    collected, exported, snapshots = evidence()
    for found in Acquired:
        assert collected.desired(found) is exported.desired(found) is Acquired.ACQUIRED
    assert snapshots.desired(False) is snapshots.desired(True) is True


def test_a_value_never_changes_and_knows_no_other_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        BLOCK.lasts = None  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Found[bool].model_validate({"state": True, "more": 1})
    with pytest.raises(ValidationError, match="incident"):
        RotateMeshCertificate(host="web1", incident="../other")
    with pytest.raises(ValidationError, match="greater than 0"):
        Block(network=BLOCK.network, lasts=timedelta(0))


def test_indicators_add_up_without_doubles_and_subtract() -> None:
    one = Indicators(networks=(BLOCK.network,), hosts=("a", "b"))
    other = Indicators(networks=(BLOCK.network,), hosts=("b", "c"), accounts=("x",))
    assert one | other == Indicators(
        networks=(BLOCK.network,), hosts=("a", "b", "c"), accounts=("x",)
    )
    assert (one | other) - one == Indicators(hosts=("c",), accounts=("x",))
    assert not (one - one)
    assert one
