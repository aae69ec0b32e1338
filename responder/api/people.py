"""What lets people in, over HTTP: their tokens and sessions, and the key that signs tokens."""

import asyncio
from datetime import timedelta
from typing import Any

from pydantic import Field
from starlette.responses import JSONResponse, Response

from responder.api.route import PUBLIC, Call, Problem, Routes
from responder.approval.enrolment import Factor, Purpose, bound_to, prove
from responder.audit import Entry, append
from responder.crypto.jwks import MAX_AGE
from responder.incident import Frozen
from responder.people import sessions, tokens
from responder.people.permissions import Permission
from responder.verbs.telling import tell, tell_audited

routes = Routes()
_ID = r"^[0-9a-f]{16}$"


class Issuing(Factor):
    """For how long a token is good, and what is proved for it."""

    lifetime: timedelta = Field(
        default=tokens.LIFETIME, description="ISO 8601, such as `PT1H`; 30 days at most."
    )


class Ending(Frozen):
    """Which token, or which session, ends."""

    id: str = Field(pattern=_ID, description="As it is listed.")


class RotatingKey(Factor):
    """How the key that signs tokens is replaced, and what is proved for it."""

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


@routes.post("/api/people/{name}/token", Permission.FACTORS_WRITE)
async def issue(call: Call) -> dict[str, Any]:
    """Make yourself a token of the API, with a second factor. It is shown once, and you are told."""
    name, served = call.path("name"), call.served
    if name != call.person.name:
        raise Problem(
            403,
            f"nobody makes a token that acts as somebody else; no token was made\n\nhint: {name} signs in "
            "in the console and makes their own under Me, or who may read the state folder runs "
            f"`responder people token {name} --local`",
        )
    issuing = await call.body(Issuing)
    tokens.must_be_lasting(issuing.lifetime)
    await _prove(call, issuing, Purpose.TOKEN)
    token, expires = await tokens.issue_and_tell(
        served.store, served.token_keys, name, issuing.lifetime, by=name
    )
    return {"person": name, "token": token, "expires": expires.isoformat()}


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
    """Sign tokens with a new key, with a second factor; the old one verifies until its last token has ended."""
    served, asked = call.served, await call.body(RotatingKey)
    await _prove(call, asked, Purpose.TOKEN_KEYS)
    return await tokens.rotate_key(
        served.store,
        served.token_keys,
        at_once=asked.at_once,
        reason=asked.reason,
        by=call.person.name,
    )


async def _prove(call: Call, proof: Factor, purpose: Purpose) -> None:
    """The caller proves a second factor for *purpose*, or it is `Refused`."""
    served, person = call.served, call.person
    origin, bound = served.settings.api.origin, bound_to(person.name, purpose)
    await prove(served.store, served.deliveries, origin, person, proof, bound, served.store.now())


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
