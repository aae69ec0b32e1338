"""What else can be done about an ask: editing its plan, breaking the glass, taking back, reviewing."""

from starlette.responses import Response

from responder.api.route import Call
from responder.approval import reviewing
from responder.approval.break_glass import Breaking, Glass
from responder.approval.decision import GLASS_REASON
from responder.approval.editing import Editing, Editor
from responder.approval.reviewing import Finding, Review
from responder.approval.revoking import Revocation, revoke
from responder.console import filling
from responder.console.asks import show, tell
from responder.console.pages import Pages, see
from responder.console.paths import fields
from responder.console.trouble import refusal
from responder.errors import Refused
from responder.people.person import Permission

routes = Pages()

_LONGEST_REASON = 1000
_LEAST_DIGEST, _DIGEST = 12, 64


@routes.post("/asks/{ask}/break-glass", Permission.APPROVALS_DECIDE)
async def break_the_glass(call: Call) -> Response:
    """Approve alone what needs more people, with a reason and a strong factor; the CISO is paged at once."""
    given, served, ask = await fields(call.request), call.served, call.path("ask")
    rules, origin = served.settings.approvals, served.settings.api.origin
    glass = Glass(
        served.store, served.signer, served.deliveries, served.policy, rules.break_glass, origin,
        vouched_for=rules.vouched_for,
    )  # fmt: skip
    try:
        why = filling.reason(given, _LONGEST_REASON)
        said = f"expected a reason of {GLASS_REASON} characters or more, why it cannot wait"
        filling.expect(len(why) >= GLASS_REASON, f"{said}; found {len(why)}")
        breaking = Breaking(
            reason=why,
            digest=_digest(given),
            code=filling.code(given),
            passkey=filling.passkey(given),
        )
        decided, _ = await glass.break_glass(ask, call.person, breaking)
    except Refused as refused:
        what = "The glass was not broken: nothing was approved, nobody was paged."
        return await show(call, refusal(refused.message, what), given)
    await tell(call, decided["run"])
    return see(f"/asks/{ask}?done=broken")


@routes.post("/asks/{ask}/edit", Permission.APPROVALS_DECIDE)
async def edit_plan(call: Call) -> Response:
    """Ask for another length, or without some actions: this ask ends, and a new plan is asked for."""
    given, served, ask = await fields(call.request), call.served, call.path("ask")
    most = served.settings.approvals.most_edits
    editor = Editor(served.store, served.signer, served.policy, served.kinds, most)
    out = [name.removeprefix("without-") for name in given if name.startswith("without-")]
    try:
        why = filling.reason(given)
        filling.expect(bool(why), "expected a reason, which everybody asked reads; found none")
        editing = Editing(
            lasts=filling.length(given, "lasts"),
            without=tuple(sorted(int(one) for one in out if one.isascii() and one.isdigit())),
            reason=why,
            digest=_digest(given),
        )
        edited = await editor.edit(ask, call.person, editing)
    except Refused as refused:
        return await show(call, refusal(refused.message, "The plan was not edited."), given)
    await tell(call, edited["run"])
    return see(f"/incidents/{edited['incident']}?done=edited")


@routes.post("/asks/{ask}/revoke", Permission.APPROVALS_DECIDE)
async def take_back_mine(call: Call) -> Response:
    """Take one's own approval back, before anything was begun on the strength of it."""
    given, ask = await fields(call.request), call.path("ask")
    try:
        why = filling.reason(given)
        filling.expect(bool(why), "expected a reason why it is taken back; found none")
        revoked = await revoke(call.served.store, ask, call.person, Revocation(reason=why))
    except Refused as refused:
        return await show(call, refusal(refused.message, "Your approval still stands."), given)
    await tell(call, revoked["run"])
    return see(f"/asks/{ask}?done=revoked")


@routes.post("/asks/{ask}/review", Permission.PAGES_TAKE)
async def review_glass(call: Call) -> Response:
    """Say whether the glass was broken with need: by the CISO's team or an admin, never by who did it."""
    given, served, ask = await fields(call.request), call.served, call.path("ask")
    team = served.settings.approvals.break_glass.page
    try:
        why = filling.reason(given, _LONGEST_REASON)
        filling.expect(given.get("verdict") in set(Finding), "expected justified or misused")
        filling.expect(bool(why), "expected a reason for what you found; found none")
        found = Review(verdict=Finding(given["verdict"]), reason=why)
        review_id = given.get("review", "")[:16]
        await reviewing.review(served.store, review_id, call.person, found, team=team)
    except Refused as refused:
        return await show(call, refusal(refused.message, "The review was not recorded."), given)
    return see(f"/asks/{ask}?done=reviewed")


def _digest(given: dict[str, str]) -> str:
    """The digest of the plan that the form was shown with."""
    found = given.get("digest", "")
    if not _LEAST_DIGEST <= len(found) <= _DIGEST:
        raise Refused("expected the digest of the plan that was looked at; look again")
    return found
