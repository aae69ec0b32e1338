"""What somebody proves themselves with, and where they are signed in."""

from datetime import timedelta

from starlette.responses import Response

from responder.api.route import Call
from responder.approval import passkeys
from responder.approval.enrolment import Factor, Proof, Purpose, bound_to, permit, prove, summary
from responder.console.pages import Pages, see
from responder.console.paths import fields
from responder.console.shell import render
from responder.console.who import session
from responder.errors import Refused
from responder.people import sessions, tokens
from responder.people.person import Permission

routes = Pages()

_LONGEST = 64
_DAYS = frozenset({"1", "7", "30"})


@routes.get("/me", Permission.FACTORS_WRITE)
async def me(call: Call) -> Response:
    """The passkeys, codes and sessions of whoever looks."""
    return await _show(call)


@routes.post("/me/passkeys/remove", Permission.FACTORS_WRITE)
async def remove_my_passkey(call: Call) -> Response:
    """Remove one passkey, proved by another factor."""
    given, served, name = await fields(call.request), call.served, call.person.name
    now = served.store.now()
    try:
        proof = Proof(code=_code(given))
        origin = served.settings.api.origin
        await permit(served.store, served.deliveries, origin, call.person, name, proof, now)
        await passkeys.remove(served.store, name, given.get("passkey_name", ""), name, now)
    except Refused as refused:
        return await _show(call, trouble=refused.message, status=403)
    return see("/me?done=removed")


@routes.post("/me/token", Permission.FACTORS_WRITE)
async def make_my_token(call: Call) -> Response:
    """A token of the API for whoever looks, proved by a code; it stands on this one answer only."""
    given, served, name = await fields(call.request), call.served, call.person.name
    bound, now = bound_to(name, Purpose.TOKEN), served.store.now()
    days = int(given["days"]) if given.get("days") in _DAYS else 1
    try:
        proof, origin = Factor(code=_code(given)), served.settings.api.origin
        await prove(served.store, served.deliveries, origin, call.person, proof, bound, now)
    except Refused as refused:
        return await _show(call, trouble=refused.message, status=403)
    made, _ = await tokens.issue_and_tell(
        served.store, served.token_keys, name, timedelta(days=days), by=name
    )
    answer = await _show(call, token=made)
    answer.headers["cache-control"] = "no-store"
    return answer


@routes.post("/me/sessions/end", Permission.FACTORS_WRITE)
async def end_my_session(call: Call) -> Response:
    """Sign one browser of theirs out."""
    given = await fields(call.request)
    await sessions.end_one(call.served.store, call.person.name, given.get("session", ""))
    return see("/me?done=ended")


def _code(given: dict[str, str]) -> str:
    return given.get("code", "").replace(" ", "")[:_LONGEST]


async def _show(call: Call, *, trouble: str = "", status: int = 200, token: str = "") -> Response:
    served, name = call.served, call.person.name
    async with served.store.reading() as tx:
        has = await summary(tx, name)
    usable = ""
    try:
        passkeys.must_be_usable(served.settings.api.origin)
    except Refused as refused:
        usable = refused.message
    this = session(call)
    return await render(
        call,
        "me.html",
        status=status,
        trouble=trouble,
        here="/me",
        title="Me",
        has=has,
        has_any=bool(has["totp"] or has["backup_codes_left"] or has["passkeys"]),
        unusable=usable,
        token=token,
        sessions=await sessions.of(served.store, name),
        session=this.id if this else "",
    )
