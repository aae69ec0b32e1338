"""
Ways to come back into an AWS account: read from IAM as it is now, and from CloudTrail as it was made.

Neither is enough. IAM dates users, roles and keys, and not what is in a policy; CloudTrail's event
history dates every change and leaves out whoever used another name. What one of them does not
answer is said, and the rest is reported all the same.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from activities.aws import Aws, AwsError
from activities.footholds import Foothold, Swept
from activities.providers.iam_keys import listed
from responder.errors import Unreachable

PERMISSIONS = (
    "iam:GetAccountAuthorizationDetails",
    "iam:ListAccessKeys",
    "cloudtrail:LookupEvents",
)
# IAM's own events are in the history of this region alone (CloudTrail User Guide, "Global service events").
_IAM_REGION = "us-east-1"
_MOST_USERS = 500  # whose keys are listed: one request each
_MOST_PAGES = 20  # of 50 events; LookupEvents is answered twice a second
_OURS = "responder-"  # what our own inline policies begin with
# Calls that give somebody a way in; each may be another word for one that IAM shows as made.
_OPENING = frozenset(
    {
        "AddUserToGroup",
        "AttachGroupPolicy",
        "AttachRolePolicy",
        "AttachUserPolicy",
        "CreateAccessKey",
        "CreateLoginProfile",
        "CreateOpenIDConnectProvider",
        "CreatePolicyVersion",
        "CreateRole",
        "CreateSAMLProvider",
        "CreateServiceSpecificCredential",
        "CreateUser",
        "DeactivateMFADevice",
        "GetFederationToken",
        "PutGroupPolicy",
        "PutRolePolicy",
        "PutUserPolicy",
        "SetDefaultPolicyVersion",
        "UpdateAccessKey",
        "UpdateAssumeRolePolicy",
        "UpdateLoginProfile",
        "UploadSSHPublicKey",
        "UploadSigningCertificate",
    }
)


async def swept(aws: Aws, user: str, since: datetime) -> Swept:
    """Everything that is found, oldest first, and what could not be looked at."""
    asked = (
        ("the users and their access keys", _users(aws, user, since)),
        ("the roles", _roles(aws, user, since)),
        (f"the calls of {user}", _called(aws, user, since)),
    )
    answers = await asyncio.gather(*(one for _, one in asked), return_exceptions=True)
    found: list[Foothold] = []
    unseen: list[str] = []
    for (what, _), answer in zip(asked, answers, strict=True):
        if isinstance(answer, (Unreachable, AwsError)):
            unseen.append(f"{what}: {answer}")
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found += answer.found
            unseen += answer.unseen
    found.sort(key=lambda one: (one.at or since, one.what))
    return Swept(found=tuple(found), unseen=tuple(unseen))


async def _users(aws: Aws, user: str, since: datetime) -> Swept:
    rows = await _details(aws, "User")
    found = [
        Foothold(what=f"user {row['UserName']}", why="made", at=row["CreateDate"])
        for row in rows
        if row["CreateDate"] >= since
    ]
    for row in rows:
        if row["UserName"] == user:
            found += _policies(f"user {user}", row, "UserPolicyList")
    # The user itself and whoever is new first: those are looked at however many there are.
    names = [row["UserName"] for row in sorted(rows, key=lambda r: r["CreateDate"], reverse=True)]
    looked = [name for name in names if name == user] + [name for name in names if name != user]
    for name in looked[:_MOST_USERS]:
        found += [
            Foothold(what=f"access key {key['AccessKeyId']} of {name}", why="made", at=at)
            for key in await listed(aws, name)
            if (at := _moment(key["CreateDate"])) >= since
        ]
    left = len(looked) - _MOST_USERS
    unseen = (f"access keys of {left} users, the oldest",) if left > 0 else ()
    return Swept(found=tuple(found), unseen=unseen)


async def _roles(aws: Aws, user: str, since: datetime) -> Swept:
    account = aws.cloud.account
    found = []
    for row in await _details(aws, "Role"):
        what = f"role {row['RoleName']}"
        if row["CreateDate"] >= since:
            found.append(Foothold(what=what, why="made", at=row["CreateDate"]))
        for who in _trusted(row.get("AssumeRolePolicyDocument")):
            named = who.endswith((f":user/{user}", f"/{user}")) and ":user/" in who
            if named or not _is_of(who, account):
                found.append(Foothold(what=what, why=f"trusts {who}"))
    return Swept(found=tuple(found))


async def _called(aws: Aws, user: str, since: datetime) -> Swept:
    asked: dict[str, Any] = {
        "LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": user}],
        "StartTime": since,
    }
    found: list[Foothold] = []
    for _ in range(_MOST_PAGES):
        answer = await aws.call("cloudtrail", "lookup_events", region=_IAM_REGION, **asked)
        found += [
            Foothold(what=_about(event), why=event["EventName"], at=_moment(event["EventTime"]))
            for event in answer.get("Events", ())
            if event["EventName"] in _OPENING
        ]
        if not (more := answer.get("NextToken")):
            return Swept(found=tuple(found))
        asked["NextToken"] = more
    return Swept(
        found=tuple(found), unseen=(f"calls of {user} before the last {_MOST_PAGES * 50}",)
    )


async def _details(aws: Aws, kind: str) -> list[dict[str, Any]]:
    return await aws.pages(
        "iam", "get_account_authorization_details", f"{kind}DetailList", Filter=[kind]
    )


def _policies(what: str, row: dict[str, Any], key: str) -> list[Foothold]:
    """Inline policies, which have no date: whoever knows the user has to say what belongs there."""
    return [
        Foothold(what=f"inline policy {one['PolicyName']} of {what}", why="has no date")
        for one in row.get(key, ())
        if not one["PolicyName"].startswith(_OURS)
    ]


def _trusted(document: Any) -> Iterator[str]:  # noqa: ANN401 - JSON, or what should have been
    """The principals that a trust policy allows: ARNs, accounts or `*`; services are left out."""
    for statement in _listed(document.get("Statement") if isinstance(document, dict) else None):
        if not isinstance(statement, dict) or statement.get("Effect") != "Allow":
            continue
        principal = statement.get("Principal")
        of_aws = principal.get("AWS") if isinstance(principal, dict) else principal
        yield from (one for one in _listed(of_aws) if isinstance(one, str))


def _listed(value: Any) -> Sequence[Any]:  # noqa: ANN401 - IAM leaves brackets away around one
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _is_of(principal: str, account: str) -> bool:
    return principal == account or f"::{account}:" in principal


def _about(event: dict[str, Any]) -> str:
    """What the call was about, by the resources that CloudTrail lists, or the request's own words."""
    names = [
        str(one["ResourceName"]) for one in event.get("Resources", ()) if one.get("ResourceName")
    ]
    if not names:
        try:
            asked = json.loads(event.get("CloudTrailEvent", "")).get("requestParameters") or {}
        except (ValueError, AttributeError):
            asked = {}
        names = [str(v) for k, v in asked.items() if k.endswith("Name")]
    return ", ".join(dict.fromkeys(names)) or "what CloudTrail does not name"


def _moment(value: Any) -> datetime:  # noqa: ANN401 - boto3 has no types of its own
    at: datetime = value
    return at.astimezone(UTC)
