"""
Access keys and denying policies at moto.

moto keeps accepting an inactive key and does not read conditions: that AWS refuses either is not
shown here, only that the status and the policies are what AWS's documentation asks for.
"""

import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from activities.access_keys import (
    CreateAccessKey,
    KeyStatus,
    KeyUse,
    Quarantine,
    RevokeRoleSessions,
    RevokeUserSessions,
    cut_over,
)
from activities.aws import Aws, AwsError
from activities.providers.iam_keys import AccessKey, DeletedAccessKey, NewAccessKey, keys_of
from activities.providers.iam_policies import OLDER_SESSIONS, OlderSessions, UserQuarantine
from responder.crypto.keyring import KeyRing
from responder.errors import Drifted, Unreachable
from responder.secrets.contract import Stage, version_for
from responder.secrets.sealed import SealedSecrets
from tests.providers.aws.conftest import REGION
from tests.providers.aws.server import Call, Door

Colleague = Callable[[str], Any]
SECRET = "app/uploader"


@pytest.fixture
def user(colleague: Colleague) -> str:
    name = f"uploader-{uuid.uuid4().hex[:8]}"
    colleague("iam").create_user(UserName=name)
    return name


@pytest.fixture
def store(tmp_path: Path) -> SealedSecrets:
    ring = KeyRing.fresh()
    return SealedSecrets(tmp_path, lambda: ring)


def made(colleague: Colleague, user: str) -> str:
    return str(colleague("iam").create_access_key(UserName=user)["AccessKey"]["AccessKeyId"])


def policy(effect: str, action: str) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


async def put(resource: Any, state: Any, record: Any = None) -> None:
    await resource.write(state, key="step", until=None, tag="INC-2026-0001", record=record)


async def test_a_key_is_deactivated_reactivated_and_deleted_only_once_inactive(
    aws: Aws, colleague: Colleague, user: str, way: Door
) -> None:
    key = AccessKey(aws, "prod", user, made(colleague, user))
    assert (await key.read()).state is KeyStatus.ACTIVE
    gone = DeletedAccessKey(aws, "prod", user, key.name.rpartition("/")[2])
    with pytest.raises(RuntimeError, match="expected it inactive, found active; not deleted"):
        await put(gone, KeyStatus.ABSENT)
    for _ in range(2):
        await put(key, KeyStatus.INACTIVE)
        assert (await key.read()).state is KeyStatus.INACTIVE
    assert way.changes.count("UpdateAccessKey") == 1
    await put(key, KeyStatus.ACTIVE)
    assert (await key.read()).state is KeyStatus.ACTIVE
    await put(key, KeyStatus.INACTIVE)
    for _ in range(2):
        await put(gone, KeyStatus.ABSENT)
        assert (await gone.read()).state is KeyStatus.ABSENT
    assert (await key.read()).state is KeyStatus.INACTIVE
    with pytest.raises(Drifted, match="found it deleted: it cannot come back"):
        await put(key, KeyStatus.ACTIVE)


async def test_an_inactive_key_still_works_at_moto_so_no_test_here_shows_that_it_does_not(
    aws: Aws, moto: str, colleague: Colleague, user: str
) -> None:
    fresh = colleague("iam").create_access_key(UserName=user)["AccessKey"]
    await put(AccessKey(aws, "prod", user, fresh["AccessKeyId"]), KeyStatus.INACTIVE)
    old = boto3.client(
        "sts",
        region_name=REGION,
        endpoint_url=moto,
        aws_access_key_id=fresh["AccessKeyId"],
        aws_secret_access_key=fresh["SecretAccessKey"],
    )
    assert old.get_caller_identity()["Arn"].endswith(user), "moto has learnt: test the refusal now"


async def test_a_key_of_an_unknown_user_is_not_accepted(aws: Aws) -> None:
    key = AccessKey(aws, "prod", "nobody", "AKIAIOSFODNN7EXAMPLE")
    assert (await key.read()).state is KeyStatus.INACTIVE


NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("old_used", "new_used", "over"),
    [
        (timedelta(days=2), timedelta(hours=1), True),
        (None, timedelta(hours=1), True),
        (timedelta(hours=3), timedelta(hours=1), False),
        (timedelta(days=2), None, False),
        (None, None, False),
    ],
)
def test_the_cut_over_is_proved_only_by_the_new_key_in_use_and_the_old_one_at_rest(
    old_used: timedelta | None, new_used: timedelta | None, over: bool
) -> None:
    def use(key: str, ago: timedelta | None) -> KeyUse:
        used = None if ago is None else NOW - ago
        return KeyUse(key=key, status=KeyStatus.ACTIVE, made=NOW - timedelta(days=9), used=used)

    uses = [use("AKIAOLD", old_used), use("AKIANEW", new_used)]
    assert cut_over(uses, ["AKIANEW"], NOW - timedelta(days=1)) is over
    assert not cut_over(uses[:1], ["AKIANEW"], NOW - timedelta(days=1)), "no new key, no proof"


async def test_a_new_key_goes_into_the_store_and_nowhere_else(
    aws: Aws, user: str, store: SealedSecrets
) -> None:
    new = NewAccessKey(aws, "prod", user, store, SECRET, version_for("INC-1", SECRET))
    before = await new.read()
    assert (before.state, before.record) == (Stage.ABSENT, {"keys": []})
    for _ in range(2):
        await put(new, Stage.PENDING, before.record)
    [there] = await keys_of(aws, user)
    after = await new.read()
    assert after.state is Stage.PENDING
    kept = json.loads((await store.get(SECRET, version_for("INC-1", SECRET))).get_secret_value())
    assert after.record == {"version": version_for("INC-1", SECRET), "key": there.key}
    assert kept["AccessKeyId"] == there.key
    assert kept["SecretAccessKey"] not in f"{before!r} {after!r} {there!r}"


async def test_with_two_keys_both_are_named_with_their_last_use_and_none_is_touched(
    aws: Aws, colleague: Colleague, user: str, store: SealedSecrets
) -> None:
    keys = {made(colleague, user), made(colleague, user)}
    new = NewAccessKey(aws, "prod", user, store, SECRET, version_for("INC-1", SECRET))
    before = await new.read()
    with pytest.raises(RuntimeError, match="expected fewer than 2 keys, found") as told:
        await put(new, Stage.PENDING, before.record)
    assert all(f"{key} (active, " in str(told.value) for key in keys)
    assert {one.key for one in await keys_of(aws, user)} == keys


async def test_a_key_whose_answer_was_lost_is_named_and_no_second_one_is_made(
    aws: Aws, user: str, store: SealedSecrets, way: Door
) -> None:
    new = NewAccessKey(aws, "prod", user, store, SECRET, version_for("INC-1", SECRET))
    before = await new.read()
    way.kill_at(1, lose_answer=True)
    with pytest.raises(Unreachable):
        await put(new, Stage.PENDING, before.record)
    way.revive()
    [orphan] = await keys_of(aws, user)
    with pytest.raises(RuntimeError, match="its secret is in no store of ours") as told:
        await put(new, Stage.PENDING, before.record)
    assert orphan.key in str(told.value)
    assert [one.key for one in await keys_of(aws, user)] == [orphan.key]


async def test_a_quarantine_denies_everything_and_leaves_other_policies_alone(
    aws: Aws, colleague: Colleague, user: str
) -> None:
    iam = colleague("iam")
    theirs = policy("Allow", "s3:*")
    iam.put_user_policy(UserName=user, PolicyName="theirs", PolicyDocument=json.dumps(theirs))
    quarantine = UserQuarantine(aws, "prod", user)
    assert (await quarantine.read()).state is Quarantine.OPEN
    for _ in range(2):
        await put(quarantine, Quarantine.QUARANTINED)
        assert (await quarantine.read()).state is Quarantine.QUARANTINED
    document = iam.get_user_policy(UserName=user, PolicyName="responder-quarantine")
    assert document["PolicyDocument"]["Statement"] == [
        {"Effect": "Deny", "Action": "*", "Resource": "*"}
    ]
    for _ in range(2):
        await put(quarantine, Quarantine.OPEN)
        assert (await quarantine.read()).state is Quarantine.OPEN
    assert iam.list_user_policies(UserName=user)["PolicyNames"] == ["theirs"]


async def test_a_policy_of_our_name_that_somebody_changed_is_left_at_the_undo(
    aws: Aws, colleague: Colleague, user: str
) -> None:
    quarantine = UserQuarantine(aws, "prod", user)
    await put(quarantine, Quarantine.QUARANTINED)
    other = policy("Deny", "iam:*")
    colleague("iam").put_user_policy(
        UserName=user, PolicyName="responder-quarantine", PolicyDocument=json.dumps(other)
    )
    assert (await quarantine.read()).state is Quarantine.OPEN
    with pytest.raises(Drifted, match="expected our policy, found"):
        await put(quarantine, Quarantine.OPEN)


async def test_older_sessions_of_a_role_are_denied_by_the_time_of_their_token(
    aws: Aws, colleague: Colleague
) -> None:
    role = f"app-{uuid.uuid4().hex[:8]}"
    iam = colleague("iam")
    trust = {"Version": "2012-10-17", "Statement": []}
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
    at = datetime(2026, 11, 21, 23, 0, 0, 1, tzinfo=UTC)
    first = RevokeRoleSessions(cloud="prod", role=role, before=at)
    later = RevokeRoleSessions(cloud="prod", role=role, before=at + timedelta(hours=1))
    sessions = OlderSessions(aws, "prod", role)
    assert (await sessions.read()).state is None
    wanted = first.desired(later.desired(None))
    await put(sessions, wanted)
    assert (await sessions.read()).state == wanted == datetime(2026, 11, 22, 0, 0, 1, tzinfo=UTC)
    document = iam.get_role_policy(RoleName=role, PolicyName=OLDER_SESSIONS)["PolicyDocument"]
    assert document["Statement"][0]["Condition"] == {
        "DateLessThan": {"aws:TokenIssueTime": "2026-11-22T00:00:01Z"}
    }
    await put(sessions, None)
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == []


async def test_a_user_or_role_that_does_not_exist_is_an_error_and_not_open(aws: Aws) -> None:
    for resource in (UserQuarantine(aws, "prod", "nobody"), OlderSessions(aws, "prod", "nobody")):
        with pytest.raises(AwsError, match="NoSuchEntity"):
            await resource.read()


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, "ana\n"])
def test_what_is_no_name_of_a_user_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="user"):
        CreateAccessKey(cloud="p", user=name, secret=SECRET, version=version_for("a", "b"))


async def test_a_users_older_sessions_are_denied_and_its_other_policies_left(
    aws: Aws, colleague: Colleague, user: str
) -> None:
    iam = colleague("iam")
    theirs = json.dumps(policy("Allow", "s3:*"))
    iam.put_user_policy(UserName=user, PolicyName="theirs", PolicyDocument=theirs)
    action = RevokeUserSessions(cloud="prod", user=user, before=NOW + timedelta(microseconds=1))
    sessions = OlderSessions(aws, "prod", user, kind="user")
    for _ in range(2):
        await put(sessions, action.desired((await sessions.read()).state))
        assert (await sessions.read()).state == NOW + timedelta(seconds=1)
    document = iam.get_user_policy(UserName=user, PolicyName=OLDER_SESSIONS)["PolicyDocument"]
    [statement] = document["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {
        "DateLessThan": {"aws:TokenIssueTime": "2026-11-21T00:00:01Z"}
    }
    await put(sessions, None)
    assert iam.list_user_policies(UserName=user)["PolicyNames"] == ["theirs"]


@pytest.mark.parametrize(
    ("arn", "kind", "is_it"),
    [
        ("arn:aws:iam::123456789012:user/ana", "user", True),
        ("arn:aws:iam::123456789012:user/teams/ops/ana", "user", True),
        ("arn:aws:iam::123456789012:user/ana-too", "user", False),
        ("arn:aws:iam::123456789012:user/not-ana", "user", False),
        ("arn:aws:sts::123456789012:assumed-role/ana/session", "role", True),
        ("arn:aws:sts::123456789012:assumed-role/ana-too/session", "role", False),
    ],
)
async def test_the_runner_itself_is_never_shut_out(
    arn: str, kind: str, is_it: bool, aws: Aws, colleague: Colleague, way: Door
) -> None:
    """Also where its user has a path before its name."""
    iam = colleague("iam")
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName="ana")
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="ana", AssumeRolePolicyDocument=json.dumps(policy("Allow", "x:y")))

    def identity(call: Call) -> tuple[int, str, bytes] | None:
        if call.operation != "GetCallerIdentity":
            return None
        said = f"<GetCallerIdentityResult><Arn>{arn}</Arn><Account>123456789012</Account></GetCallerIdentityResult>"
        space = "https://sts.amazonaws.com/doc/2011-06-15/"
        return 200, "text/xml", f'<R xmlns="{space}">{said}</R>'.encode()

    way.answering.append(identity)
    sessions = OlderSessions(aws, "prod", "ana", kind=kind)
    resources: list[tuple[Any, Any]] = [(sessions, NOW)]
    if kind == "user":
        resources.append((UserQuarantine(aws, "prod", "ana"), Quarantine.QUARANTINED))
    for resource, state in resources:
        if is_it:
            with pytest.raises(RuntimeError, match="runner itself"):
                await put(resource, state)
        else:
            await put(resource, state)
        await put(resource, None if resource is sessions else Quarantine.OPEN)
