"""
Signing in and out, and who is signed in: what the login page sends to, as a form or as JSON.

A form is answered with the way on, JSON with JSON. What is refused leads a form back to the login page
with one word that the page knows a sentence for.
"""

import json
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from pydantic import SecretStr, ValidationError
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from responder.api.route import PUBLIC, Call, Problem, Routes, caller, from_page
from responder.console.pages import Pages
from responder.console.paths import fields, local
from responder.errors import Refused, Unreachable
from responder.people import login_tries, oidc, sessions
from responder.people.login import Credentials, NoSecondFactor, PasswordLogin
from responder.people.login_tries import TooManyTries
from responder.people.oidc import OidcLogin
from responder.people.permissions import Permission

routes = Routes()
pages = Pages(routes.declared)  # what a browser is sent to: refused on a page, not in JSON
_SEE_OTHER: Final = 303


@pages.post("/login", PUBLIC)
async def sign_in(call: Call) -> Response:
    """Sign in with a password kept here and a second factor; the answer sets the session's cookie."""
    form = await fields(call.request)
    return await _in_kind(form, _sign_in(call, form))


async def _sign_in(call: Call, form: dict[str, str]) -> Response:
    from_page(call.request, call.served.settings.api.origin)
    given = await _credentials(call, form)
    on = local(form.get("next", ""))
    try:
        token = await _passwords(call).sign_in(given, address=_address(call), agent=_agent(call))
    except Refused as refused:
        return _refused(refused, form)
    answer = _on(on) if form else JSONResponse({"signed_in": given.name})
    _set_session(call, answer, token)
    return answer


@routes.post("/login/challenge", PUBLIC)
async def challenge(call: Call) -> Response:
    """What your passkey must answer to sign in, asked for with your name and password as JSON."""
    from_page(call.request, call.served.settings.api.origin)
    given = await _credentials(call, {})
    try:
        options = await _passwords(call).challenge(
            given, address=_address(call), agent=_agent(call)
        )
    except Refused as refused:
        return _refused(refused, {})
    return JSONResponse(options)


@pages.post("/logout", PUBLIC)
async def sign_out(call: Call) -> Response:
    """End this browser's session; its CSRF value is needed, as for every change."""
    form = await fields(call.request)
    return await _in_kind(form, _sign_out(call, form))


async def _sign_out(call: Call, form: dict[str, str]) -> Response:
    await caller(call.request)
    served = call.served
    name = sessions.cookie_name(served.settings.api.origin)
    await sessions.end(served.store, call.request.cookies.get(name, ""))
    answer = _on("/login?done=signed-out") if form else JSONResponse({"signed_out": True})
    _forget(call, answer, name)
    return answer


@pages.get("/login/oidc", PUBLIC)
async def go_to_provider(call: Call) -> Response:
    """Send the browser to the OpenID Connect provider that the settings name."""
    going = await _reached(_provider(call).go())
    answer = RedirectResponse(going.url, _SEE_OTHER)
    on = local(call.request.query_params.get("next", ""))
    _set(call, answer, oidc.COOKIE, f"{going.secret}|{on}", lasts=oidc.TO_COME_BACK, samesite="lax")
    return answer


@pages.get("/login/oidc/callback", PUBLIC)
async def come_back_from_provider(call: Call) -> Response:
    """Where the provider sends the browser back to; it ends in a session or in one line that says why not."""
    secret, _, on = call.request.cookies.get(_named(call, oidc.COOKIE), "").partition("|")
    sent = {name: value[:2000] for name, value in call.request.query_params.items()}
    provider, served, address = _provider(call), call.served, _address(call)
    if secret:  # without it nothing is looked at; with it the provider is asked
        try:
            await login_tries.count_callback(served.store, served.settings.login, address)
        except TooManyTries as many:
            raise Problem(429, many.message) from many
    token = await _reached(provider.come_back(secret, sent, agent=_agent(call)))
    await login_tries.forget_callbacks(served.store, address)
    # Not a redirect: the cookie is SameSite=Strict, and a browser that was sent here by another site
    # would not show it to the next page either, whereas it does where a page of ours leads on.
    answer = HTMLResponse(_ONWARD.replace("/ON", _attribute(local(on))))
    _set_session(call, answer, token)
    _forget(call, answer, _named(call, oidc.COOKIE))
    return answer


@routes.get("/api/me", PUBLIC)
async def who_am_i(call: Call) -> Response:
    """Who calls, what they may do, and their browser's session with its CSRF value; 401 for nobody."""
    person = await caller(call.request)
    session = call.session
    return JSONResponse(
        {
            "person": person.name,
            "roles": list(person.roles),
            "teams": list(person.teams),
            "may": [permission.value for permission in Permission if person.may(permission)],
            "session": session.plain | {"csrf": session.csrf} if session else None,
        },
        headers={"cache-control": "no-store"},
    )


_ONWARD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Signed in</title>
<meta http-equiv="refresh" content="0;url=/ON"><p>You are signed in. <a href="/ON">Go on</a></p></html>
"""


async def _credentials(call: Call, form: dict[str, str]) -> Credentials:
    if not form:
        return await call.body(Credentials)
    try:
        passkey = json.loads(form["passkey"]) if form.get("passkey") else None
        return Credentials(
            name=form.get("name", ""),
            password=SecretStr(form.get("password", "")),
            code=form.get("code", "").strip(),
            passkey=passkey,
        )
    except (ValidationError, ValueError) as error:
        raise Problem(422, "expected name, password and code or passkey") from error


async def _in_kind(form: dict[str, str], work: Awaitable[Response]) -> Response:
    """A program is told in JSON what a page says to a person."""
    try:
        return await work
    except Problem as problem:
        if form:
            raise
        return JSONResponse({"detail": problem.detail}, problem.status)


def _refused(refused: Refused, form: dict[str, str]) -> Response:
    """To a form the login page with one word; to a program the line itself."""
    word, status = "refused", 403
    if isinstance(refused, TooManyTries):
        word, status = "locked", 429
    elif isinstance(refused, NoSecondFactor):
        word = "no-factor"
    if not form:
        return JSONResponse({"detail": refused.message}, status)
    on = local(form.get("next", ""))
    query = f"trouble={word}" + (f"&next={quote(on, safe='/')}" if on != "/" else "")
    return _on(f"/login?{query}")


async def _reached(work: Any) -> Any:  # noqa: ANN401 - what it gives back
    try:
        return await work
    except Unreachable as error:
        raise Problem(503, error.message) from error


def _passwords(call: Call) -> PasswordLogin:
    served = call.served
    settings = served.settings
    return PasswordLogin(
        served.store, served.deliveries, served.people, settings.login, settings.api.origin
    )


def _provider(call: Call) -> OidcLogin:
    """The provider's login, kept while the program runs: it remembers what the provider publishes."""
    served, state = call.served, call.request.app.state
    login = served.settings.login
    if login.oidc is None:
        raise Problem(404, "no OpenID Connect provider is configured (`login.oidc`)")
    if not hasattr(state, "oidc_login"):
        origin = served.settings.api.origin
        state.oidc_login = OidcLogin(
            served.store, served.deliveries, served.people, login.oidc, origin, login.session
        )
    found: OidcLogin = state.oidc_login
    return found


def _address(call: Call) -> str:
    client = call.request.client
    return client.host if client else "unknown"


def _agent(call: Call) -> str:
    return call.request.headers.get("user-agent", "")


def _on(path: str) -> Response:
    return RedirectResponse(path, _SEE_OTHER)


def _set_session(call: Call, answer: Response, token: str) -> None:
    lasts = call.served.settings.login.session
    _set(call, answer, sessions.COOKIE, token, lasts=lasts, samesite="strict")
    answer.headers["cache-control"] = "no-store"


def _named(call: Call, cookie: str) -> str:
    secure = call.served.settings.api.origin.startswith("https://")
    return f"__Host-{cookie}" if secure else cookie


def _set(
    call: Call,
    answer: Response,
    cookie: str,
    value: str,
    *,
    lasts: timedelta,
    samesite: Any,  # noqa: ANN401
) -> None:
    answer.set_cookie(
        _named(call, cookie),
        value,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=call.served.settings.api.origin.startswith("https://"),
        httponly=True,
        samesite=samesite,
    )


def _forget(call: Call, answer: Response, name: str) -> None:
    secure = call.served.settings.api.origin.startswith("https://")
    answer.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")


def _attribute(path: str) -> str:
    """*path* inside an attribute: percent-encoded where HTML or `refresh` would read it otherwise."""
    return "".join(c if c.isalnum() or c in "/-_.~?=%" else f"%{ord(c):02X}" for c in path)
