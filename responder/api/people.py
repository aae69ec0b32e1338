"""What lets people in, over HTTP: their tokens and sessions, and the key that signs tokens."""

import asyncio
from datetime import timedelta
from typing import Any

from pydantic import Field
from starlette.responses import JSONResponse, Response

from responder.api.route import PUBLIC, Call, Problem, Routes
from responder.audit import Entry, append
from responder.crypto.jwks import MAX_AGE
from responder.incident import Frozen
from responder.people import sessions, tokens
from responder.people.permissions import Permission
from responder.verbs.telling import tell, tell_audited

routes = Routes()
_ID = r"^[0-9a-f]{16}$"


class Issuing(Frozen):
    """For how long a token is good."""

    lifetime: timedelta = Field(
        default=tokens.LIFETIME, description="ISO 8601, such as `PT1H`; 30 days at most."
    )


class Ending(Frozen):
    """Which token, or which session, ends."""

    id: str = Field(pattern=_ID, description="As it is listed.")


class RotatingKey(Frozen):
    """How the key that signs tokens is replaced."""

    at_once: bool = Field(
        default=False, description="End every token of the old key now: it may have leaked."
    )
    reason: str = Field(default="", max_length=300, description="Why.")


@routes.get("/.well-known/token-keys.json", PUBLIC)
async def token_keys(call: Call) -> Response:
    """The public halves of the keys that sign API tokens (RFC 7517); no other key lets anybody in."""
    served = call.served
    found = await asyncio.to_thread(served.token_keys.key_set, served.store.now())
    return JSONResponse(
        found,
        headers={"Cache-Control": f"public, max-age={int(MAX_AGE.total_seconds())}"},
        media_type="application/jwk-set+json",
    )


@routes.get("/api/people/{name}/access", Permission.FACTORS_WRITE)
async def access(call: Call) -> dict[str, Any]:
    """The tokens and the sessions that somebody has now; your own, or anybody's for an admin."""
    name, store = _whose(call), call.served.store
    return {
        "person": name,
        "tokens": [
            {"id": one.id, "made": one.made.isoformat(), "expires": one.expires.isoformat()}
            for one in await tokens.of(store, name)
        ],
        "sessions": [one.plain for one in await sessions.of(store, name)],
    }


@routes.post("/api/people/{name}/token", Permission.PEOPLE_WRITE)
async def issue(call: Call) -> dict[str, Any]:
    """Give somebody a token of the API. It is shown once, and they are told."""
    name, served, by = _whose(call), call.served, call.person.name
    lifetime = (await call.body(Issuing)).lifetime
    now = served.store.now()
    token = await tokens.issue(served.store, served.token_keys, name, lifetime)
    entry = Entry(kind="token", actor=by, subject=name, data={"lifetime": str(lifetime)})
    async with served.store.transaction() as tx:
        if name == by:
            await append(tx, now, entry)
        else:
            await tell_audited(
                tx,
                now,
                entry,
                key=f"token/{name}/{now.isoformat()}",
                audience=name,
                subject=f"{by} made a token of the API that acts as {name}, good for {lifetime}",
                body=f"If that was not agreed: responder people sign-out {name}",
            )
    return {"person": name, "token": token, "expires": (now + lifetime).isoformat()}


@routes.post("/api/people/{name}/tokens/revoke", Permission.FACTORS_WRITE)
async def revoke_token(call: Call) -> dict[str, Any]:
    """End one token; your own, or anybody's for an admin."""
    name, which = _whose(call), (await call.body(Ending)).id
    if not await tokens.revoke(call.served.store, name, which):
        raise Problem(404, f"{name} has no token {which} that counts")
    await _audit(call, "token-revoked", name, {"token": which})
    return {"person": name, "revoked": which}


@routes.post("/api/people/{name}/sessions/end", Permission.FACTORS_WRITE)
async def end_session(call: Call) -> dict[str, Any]:
    """End one session of a browser; your own, or anybody's for an admin."""
    name, which = _whose(call), (await call.body(Ending)).id
    if not await sessions.end_one(call.served.store, name, which):
        raise Problem(404, f"{name} has no session {which} that counts")
    await _audit(call, "session-ended", name, {"session": which})
    return {"person": name, "ended": which}


@routes.post("/api/people/{name}/sign-out", Permission.FACTORS_WRITE)
async def sign_out_everywhere(call: Call) -> dict[str, Any]:
    """End every token and every session of somebody; yourself, or anybody for an admin."""
    name, served = _whose(call), call.served
    ended: dict[str, Any] = {
        "tokens": await tokens.revoke_all(served.store, name),
        "sessions": await sessions.end_all(served.store, name),
    }
    now = served.store.now()
    entry = Entry(kind="signed-out", actor=call.person.name, subject=name, data=ended)
    async with served.store.transaction() as tx:
        if await tell_audited(
            tx,
            now,
            entry,
            key=f"signed-out/{name}/{now.isoformat()}",
            audience="security",
            subject=f"{call.person.name} signed {name} out everywhere",
            body=f"{ended['tokens']} tokens and {ended['sessions']} sessions ended.",
        ):
            await tell(
                tx,
                now,
                key=f"signed-out/{name}/{now.isoformat()}/{name}",
                audience=name,
                subject=f"{call.person.name} signed you out everywhere",
                body="Sign in again, or ask an admin for a token.",
            )
    return {"person": name} | ended


@routes.post("/api/token-keys/rotate", Permission.PEOPLE_WRITE)
async def rotate(call: Call) -> dict[str, Any]:
    """Sign tokens with a new key; the old one verifies until its last token has ended, or no longer."""
    served, asked = call.served, await call.body(RotatingKey)
    now = served.store.now()
    (old, *_) = await asyncio.to_thread(served.token_keys.accepted, now)
    async with served.store.reading() as tx:
        last = await tokens.last_of(tx, old)
    until = now if asked.at_once or last is None else max(last, now)
    new = await asyncio.to_thread(served.token_keys.rotate, now, until)
    data: dict[str, Any] = {
        "old": old, "old_until": until.isoformat(), "at_once": asked.at_once, "reason": asked.reason,
    }  # fmt: skip
    await _audit(call, "token-key-rotated", new, data)
    return {"key": new, "old": old, "old_until": until.isoformat()}


def _whose(call: Call) -> str:
    """The person of the path: the caller themselves, or anybody for an admin."""
    name = call.path("name")
    if name != call.person.name and not call.person.may(Permission.PEOPLE_WRITE):
        raise Problem(403, f"{call.person.name} may see and end their own tokens and sessions only")
    if call.served.people.find(name) is None:
        raise Problem(404, f"the settings name no person {name}")
    return name


async def _audit(call: Call, kind: str, subject: str, data: dict[str, Any]) -> None:
    now = call.served.store.now()
    async with call.served.store.transaction() as tx:
        await append(tx, now, Entry(kind=kind, actor=call.person.name, subject=subject, data=data))
