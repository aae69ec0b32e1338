"""
The sweep for ways to come back, at moto.

moto answers CloudTrail's LookupEvents with a server error, so the door answers it in the form of the
CloudTrail API Reference; users, roles, keys and policies are moto's own.
"""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.aws import Aws
from activities.footholds import Footholds, Swept
from activities.providers import iam_footholds
from activities.providers.iam_footholds import swept
from tests.providers.aws.conftest import ACCOUNT
from tests.providers.aws.server import Call, Door

Colleague = Callable[[str], Any]
BEFORE = datetime.now(UTC) - timedelta(hours=1)
LATER = datetime.now(UTC) + timedelta(hours=1)


class Trail:
    """CloudTrail's event history of one user: what is put into it, on pages of two."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, str]]] = []
        self.asked: list[dict[str, Any]] = []
        self.status = 200

    def __call__(self, call: Call) -> tuple[int, str, bytes] | None:
        if call.operation != "LookupEvents":
            return None
        asked = json.loads(call.body)
        self.asked.append(asked)
        at = int(asked.get("NextToken", "0"))
        rows = [
            {
                "EventId": f"e{n}", "EventName": name, "EventTime": BEFORE.timestamp() + n,
                "Resources": [{"ResourceType": "AWS::IAM", "ResourceName": v} for v in names.values()
                              if n % 2 == 0],
                "CloudTrailEvent": json.dumps({"requestParameters": names}),
            }
            for n, (name, names) in enumerate(self.events)
        ]  # fmt: skip
        more = {"NextToken": str(at + 2)} if at + 2 < len(rows) else {}
        said = {"Events": rows[at : at + 2]} | more
        if self.status != 200:
            said = {"__type": "AccessDeniedException", "message": "not allowed"}
        return self.status, "application/x-amz-json-1.1", json.dumps(said).encode()


@pytest.fixture
def trail(way: Door) -> Trail:
    made = Trail()
    way.answering.append(made)
    return made


@pytest.fixture
def thief(colleague: Colleague) -> str:
    """The user whose key is in other hands."""
    name = f"deploy-{uuid.uuid4().hex[:8]}"
    colleague("iam").create_user(UserName=name)
    return name


def trusting(who: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def about(found: Swept, words: str) -> list[str]:
    return [line for line in found.lines() if words in line]


async def test_keys_users_roles_and_policies_that_are_new_are_named_whoever_has_them(
    aws: Aws, colleague: Colleague, thief: str, trail: Trail
) -> None:
    iam, other = colleague("iam"), f"backup-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=other)
    key = iam.create_access_key(UserName=other)["AccessKey"]["AccessKeyId"]
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    for name in ("mine", "responder-quarantine"):
        iam.put_user_policy(UserName=thief, PolicyName=name, PolicyDocument=json.dumps(policy))
    iam.create_role(
        RoleName=f"door-{thief}",
        AssumeRolePolicyDocument=trusting(f"arn:aws:iam::{ACCOUNT}:user/{thief}"),
    )
    iam.create_role(
        RoleName=f"far-{thief}", AssumeRolePolicyDocument=trusting("arn:aws:iam::999999999999:root")
    )
    found = await swept(aws, thief, BEFORE)
    assert any(line.startswith(f"access key {key} of {other}: made at ") for line in found.lines())
    assert any(line.startswith(f"user {other}: made at ") for line in found.lines())
    assert about(found, "inline policy") == [f"inline policy mine of user {thief}: has no date"]
    assert f"role door-{thief}: trusts arn:aws:iam::{ACCOUNT}:user/{thief}" in found.lines()
    assert f"role far-{thief}: trusts arn:aws:iam::999999999999:root" in found.lines()
    assert found.unseen == ()
    later = await swept(aws, thief, LATER)
    assert about(later, "made") == []
    assert about(later, f"role door-{thief}"), "trust in the user has no date, and is always named"


async def test_a_role_that_trusts_a_service_or_its_own_account_is_not_named_for_that(
    aws: Aws, colleague: Colleague, thief: str, trail: Trail
) -> None:
    iam = colleague("iam")
    service = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [service]}
    iam.create_role(RoleName=f"a-{thief}", AssumeRolePolicyDocument=json.dumps(document))
    root = f"arn:aws:iam::{ACCOUNT}:root"
    iam.create_role(RoleName=f"b-{thief}", AssumeRolePolicyDocument=trusting(root))
    found = await swept(aws, thief, LATER)
    assert about(found, f"a-{thief}") == about(found, f"b-{thief}") == []


async def test_what_the_user_changed_is_named_from_every_page_and_reading_is_not(
    aws: Aws, thief: str, trail: Trail
) -> None:
    trail.events = [
        ("UpdateAssumeRolePolicy", {"roleName": "admin"}),
        ("ListUsers", {}),
        ("ListRoles", {}),
        ("PutRolePolicy", {"roleName": "app", "policyName": "p"}),
        ("CreateLoginProfile", {}),
    ]
    found = await swept(aws, thief, LATER)
    said = [line.partition(" at ")[0] for line in found.lines() if " at " in line]
    assert "admin: UpdateAssumeRolePolicy" in said
    assert "app, p: PutRolePolicy" in said
    assert "what CloudTrail does not name: CreateLoginProfile" in said
    assert not any("List" in line for line in said)
    assert [one.get("NextToken") for one in trail.asked] == [None, "2", "4"]
    assert trail.asked[0]["LookupAttributes"] == [
        {"AttributeKey": "Username", "AttributeValue": thief}
    ]


async def test_what_is_not_answered_is_said_and_the_rest_is_found_all_the_same(
    aws: Aws, colleague: Colleague, thief: str, trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail.status = 400
    monkeypatch.setattr(iam_footholds, "_MOST_USERS", 1)
    key = colleague("iam").create_access_key(UserName=thief)["AccessKey"]["AccessKeyId"]
    found = await swept(aws, thief, BEFORE)
    assert about(found, f"access key {key} of {thief}"), "the user's own keys are looked at first"
    [calls] = about(found, "not looked at: the calls of")
    assert "the permission cloudtrail:LookupEvents is missing" in calls
    assert about(found, "not looked at: access keys of ")


def test_a_sweep_says_what_it_is_for() -> None:
    said = str(Footholds(cloud="prod", user="deploy", since=BEFORE))
    assert said.startswith("footholds in prod since ")
