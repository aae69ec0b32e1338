"""
Inline policies of ours that deny: on a user everything, on a role what older sessions ask for.

Each has a name of its own, so that nobody's policy is replaced; IAM ends none by itself. A deny wins
over every allow (IAM User Guide, "Policy evaluation logic").
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from activities.access_keys import Quarantine
from activities.aws import Aws, AwsError
from activities.profile import Profile, Proof
from responder.contract import Found
from responder.errors import Drifted

QUARANTINE = "responder-quarantine"
OLDER_SESSIONS = "responder-revoke-older-sessions"
_VERSION = "2012-10-17"
_GONE = "NoSuchEntity"
_DENY: dict[str, Any] = {"Effect": "Deny", "Action": "*", "Resource": "*"}

PROFILES = (
    Profile(
        name="AWS IAM",
        answers=("QuarantineUser",),
        changes=f"an inline policy of ours, `{QUARANTINE}`, that denies everything to one user; never to the runner",
        permissions=(
            "iam:GetUser",
            "iam:GetUserPolicy",
            "iam:PutUserPolicy",
            "iam:DeleteUserPolicy",
        ),
        verified="the policy is read and compared word for word",
        undone="the policy is deleted, if it is still ours. Nothing at AWS ends it: without the runner it stays",
        proof=Proof.EMULATOR,
        against="moto: that the policy stands, not that AWS then refuses",
    ),
    Profile(
        name="AWS IAM",
        answers=("RevokeRoleSessions",),
        changes=f"an inline policy of ours, `{OLDER_SESSIONS}`, that denies everything to sessions of one role that "
        "were issued before a moment; never to a role that the runner has a session of",
        permissions=(
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:PutRolePolicy",
            "iam:DeleteRolePolicy",
        ),
        verified="the policy is read, and its moment compared",
        undone="the policy is deleted, or the moment that was found is set again. Nothing at AWS ends it: without "
        "the runner it stays",
        proof=Proof.EMULATOR,
        against="moto, which reads no conditions: that the policy stands, not that AWS then refuses",
    ),
    Profile(
        name="AWS IAM",
        answers=("RevokeUserSessions",),
        changes=f"an inline policy of ours, `{OLDER_SESSIONS}`, that denies everything to sessions made with one "
        "user's keys before a moment; never to a user that the runner has a session of",
        permissions=(
            "iam:GetUser",
            "iam:GetUserPolicy",
            "iam:PutUserPolicy",
            "iam:DeleteUserPolicy",
        ),
        verified="the policy is read, and its moment compared",
        undone="the policy is deleted, or the moment that was found is set again. Nothing at AWS ends it: without "
        "the runner it stays",
        proof=Proof.EMULATOR,
        against="moto, which reads no conditions: that the policy stands, not that AWS then refuses",
    ),
)


class _Inline:
    """One inline policy of one user or role."""

    expires_by_itself = False

    def __init__(self, aws: Aws, kind: str, of: str, policy: str) -> None:
        self._aws = aws
        self._kind = kind
        self._which: dict[str, Any] = {f"{kind.capitalize()}Name": of, "PolicyName": policy}

    async def document(self) -> dict[str, Any] | None:
        """The policy; None if there is none. Raises `AwsError` if there is no such user or role."""
        try:
            found = await self._aws.call("iam", f"get_{self._kind}_policy", **self._which)
        except AwsError as error:
            if error.code != _GONE:
                raise
            name = f"{self._kind.capitalize()}Name"
            await self._aws.call("iam", f"get_{self._kind}", **{name: self._which[name]})
            return None
        return dict(found["PolicyDocument"])

    async def put(self, document: dict[str, Any]) -> None:
        text = json.dumps(document)
        await self._aws.call("iam", f"put_{self._kind}_policy", **self._which, PolicyDocument=text)

    async def remove(self) -> None:
        try:
            await self._aws.call("iam", f"delete_{self._kind}_policy", **self._which)
        except AwsError as error:
            if error.code != _GONE:
                raise


class UserQuarantine:
    """Whether our policy denies everything to one user."""

    expires_by_itself = False

    def __init__(self, aws: Aws, cloud: str, user: str) -> None:
        self._aws = aws
        self._user = user
        self._policy = _Inline(aws, "user", user, QUARANTINE)
        self.name = f"user-quarantine/{cloud}/{user}"

    async def read(self) -> Found[Quarantine]:
        found = await self._policy.document()
        if found is None:
            return Found(state=Quarantine.OPEN)
        return Found(
            state=Quarantine.QUARANTINED if found == _all() else Quarantine.OPEN, record=found
        )

    async def write(
        self,
        state: Quarantine,
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue = None,
    ) -> None:
        if state is Quarantine.OPEN:
            found = await self._policy.document()
            if found not in (None, _all()):
                raise Drifted(f"{self.name}: expected our policy, found {found}; it was left")
            await self._policy.remove()
            return
        own = await self._aws.call("sts", "get_caller_identity")
        if _is(str(own.get("Arn", "")), "user", self._user):
            raise RuntimeError(
                f"{self.name}: {self._user} is the runner itself; nothing was changed"
            )
        await self._policy.put(_all())


class OlderSessions:
    """Before which moment the sessions of a role or user must be issued to be denied; None: none is."""

    expires_by_itself = False

    def __init__(self, aws: Aws, cloud: str, of: str, *, kind: str = "role") -> None:
        self._aws = aws
        self._of = of
        self._kind = kind
        self._policy = _Inline(aws, kind, of, OLDER_SESSIONS)
        self.name = f"older-{'' if kind == 'role' else 'user-'}sessions/{cloud}/{of}"

    async def read(self) -> Found[datetime | None]:
        found = await self._policy.document()
        return Found(state=None if found is None else _moment(found))

    async def write(
        self,
        state: datetime | None,
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue = None,
    ) -> None:
        if state is None:
            await self._policy.remove()
            return
        own = await self._aws.call("sts", "get_caller_identity")
        if _is(str(own.get("Arn", "")), self._kind, self._of):
            raise RuntimeError(
                f"{self.name}: the runner itself has a session of {self._of}; nothing was changed"
            )
        await self._policy.put(_before(state))


def _is(arn: str, kind: str, name: str) -> bool:
    """Whether who called is that role or user; a user may have a path before its name."""
    if kind == "role":
        return f":assumed-role/{name}/" in arn
    return re.search(rf":user/(?:.*/)?{re.escape(name)}$", arn) is not None


def _all() -> dict[str, Any]:
    return {"Version": _VERSION, "Statement": [_DENY]}


def _before(moment: datetime) -> dict[str, Any]:
    """As AWSRevokeOlderSessions has it (IAM User Guide, "Revoke IAM role temporary security credentials")."""
    at = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    condition = {"DateLessThan": {"aws:TokenIssueTime": at}}
    return {"Version": _VERSION, "Statement": [_DENY | {"Condition": condition}]}


def _moment(document: dict[str, Any]) -> datetime | None:
    try:
        at = document["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
        moment = datetime.fromisoformat(at)
    except (LookupError, TypeError, ValueError):
        return None
    return moment if _before(moment) == document else None
