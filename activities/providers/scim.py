"""
Accounts of an identity provider over SCIM 2.0: the attribute `active` of a user (RFC 7643, 4.1.1).

SCIM knows nothing of sessions. What a provider ends when `active` becomes false is its own affair,
so nothing here claims that sessions were revoked.
"""

import json
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, JsonValue, StrictBool

from activities.accounts import AccountState, Sessions
from activities.profile import Profile, Proof
from activities.providers.scim_client import Answer, ScimClient
from responder.contract import Found, Resource
from responder.errors import Drifted, Unreachable
from responder.identities import ScimIdentities

_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"  # RFC 7644 section 3.4.2
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"  # RFC 7644 section 3.5.2
_OK, _PRECONDITION_FAILED = 200, 412
_DONE = (200, 204)
_ROUNDS = 3  # that somebody else may change the user between our reading and our writing

PROFILE = Profile(
    name="SCIM 2.0 (RFC 7643, RFC 7644)",
    answers=("DisableAccount",),
    changes="the attribute `active` of one user; what the provider then does with sessions is its own affair",
    permissions=("GET /Users", "PATCH /Users/{id}"),
    verified="the user is read again, and is the one that was found at first",
    undone="`active` is set to what was found, for the same user only. Nothing there ends it: without the runner "
    "it stays",
    proof=Proof.EMULATOR,
    against="a service of our own over HTTP that refuses what the RFCs do not allow",
)


class _Meta(BaseModel):
    version: str = ""
    """The resource's entity tag, if the service has versions (RFC 7644 section 3.14)."""


class _User(BaseModel):
    """What is needed of a user's resource; services send much more."""

    model_config = ConfigDict(hide_input_in_errors=True)

    id: str
    userName: str  # noqa: N815 - RFC 7643's name
    active: StrictBool
    meta: _Meta = _Meta()


class _Listed(BaseModel):
    """A ListResponse."""

    model_config = ConfigDict(hide_input_in_errors=True)

    schemas: list[str]
    totalResults: int  # noqa: N815 - RFC 7644's name
    Resources: list[_User] = []


class Scim:
    """An identity provider that speaks SCIM 2.0."""

    def __init__(self, service: ScimIdentities) -> None:
        self._service = service
        self._client = ScimClient(service)

    def account(self, name: str) -> "ScimAccount":
        """Whether the user whose `userName` is *name* is active."""
        return ScimAccount(self._client, name, provider=self._service.name)

    def sessions(self, name: str, before: datetime) -> Resource[Sessions] | None:
        """Nothing: SCIM has no word for a session."""
        return None

    async def close(self) -> None:
        """Let go of kept connections."""
        await self._client.close()


class ScimAccount:
    """One user: enabled, disabled, or not there."""

    expires_by_itself = False

    def __init__(self, client: ScimClient, account: str, *, provider: str) -> None:
        self._client = client
        self._account = account
        # RFC 7643 section 4.1.1: `userName` is case-insensitive, so two spellings are one resource.
        self.name = f"account/{provider}/{account.casefold()}"

    async def read(self) -> Found[AccountState]:
        user = await self._look()
        if user is None:
            return Found(state=AccountState.ABSENT)
        return Found(state=_state(user), record={"id": user.id})

    async def write(
        self, state: AccountState, *, key: str, until: datetime | None, tag: str, record: JsonValue
    ) -> None:
        answer = None
        for _ in range(_ROUNDS):
            user = await self._look()
            if (user and _state(user)) == state or (user is None and state is AccountState.ABSENT):
                return
            user = self._same(user, state, record)
            answer = await self._set_active(user, active=state is AccountState.ENABLED)
            if answer.status in _DONE:
                return
            if answer.status != _PRECONDITION_FAILED:
                break
        assert answer is not None
        raise RuntimeError(f"{self.name}: expected {state}, but was told {answer.complaint}")

    def _same(self, user: _User | None, state: AccountState, record: JsonValue) -> _User:
        """The user that was found at first, or why there is nothing to write to."""
        if user is None:
            raise RuntimeError(
                f"{self.name}: expected one account of that name, found none; nothing was changed"
            )
        if state is AccountState.ABSENT:
            raise Drifted(f"{self.name}: expected no such account, found {user.id}")
        first = record.get("id") if isinstance(record, dict) else None
        if first is not None and first != user.id:
            raise Drifted(f"{self.name}: expected the account {first}, found {user.id}")
        return user

    async def _look(self) -> _User | None:
        # RFC 7644 section 3.4.2.2: what a filter compares with is written as JSON.
        asked = {"filter": f"userName eq {json.dumps(self._account, ensure_ascii=False)}"}
        answer = await self._client.request("GET", "/Users", params=asked)
        if answer.status != _OK:
            raise Unreachable(f"{self.name}: it cannot say: {answer.complaint}")
        try:
            return self._only(_Listed.model_validate(answer.body))
        except ValueError as error:
            said = " ".join(str(error).split())[:300]
            raise Unreachable(f"{self.name}: that is no list of users: {said}") from error

    def _only(self, listed: _Listed) -> _User | None:
        """The one user of a list; None is the service's word that there is none."""
        if _LIST not in listed.schemas or listed.totalResults != len(listed.Resources):
            raise ValueError(f"{listed.totalResults} results, {len(listed.Resources)} resources")
        if not listed.Resources:
            return None
        if len(listed.Resources) != 1:
            raise ValueError(f"expected one account, found {len(listed.Resources)}")
        user = listed.Resources[0]
        if user.userName.casefold() != self._account.casefold():
            raise ValueError(f"asked for this account, found {user.userName!r}")
        if user.id.strip() in ("", ".", ".."):
            raise ValueError(f"its id is {user.id!r}")
        return user

    async def _set_active(self, user: _User, *, active: bool) -> Answer:
        body = {
            "schemas": [_PATCH],
            "Operations": [{"op": "replace", "path": "active", "value": active}],
        }
        path = f"/Users/{quote(user.id, safe='')}"
        return await self._client.request("PATCH", path, body=body, if_match=user.meta.version)


def _state(user: _User) -> AccountState:
    return AccountState.ENABLED if user.active else AccountState.DISABLED
