"""What a person does to an incident from its page: every form carries what it was shown with."""

from collections.abc import Awaitable

from starlette.responses import Response

from responder.api.route import Call
from responder.approval.leasing import Proof
from responder.console import filling, views
from responder.console.incidents import incident_now, show
from responder.console.pages import Pages, see
from responder.console.paths import fields
from responder.console.trouble import refusal
from responder.errors import Refused
from responder.handling import Resolution, acknowledge, close
from responder.incident import Priority
from responder.people.person import Permission
from responder.policy.sla import Clock
from responder.standing.duties import Report
from responder.steering import Steering

routes = Pages()

_LONGEST_NOTE, _LONGEST_REFERENCE, _LONGEST_REASON = 10_000, 1000, 1000
Given = dict[str, str]


@routes.post("/incidents/{incident}/take", Permission.INCIDENTS_WRITE)
async def take_incident(call: Call) -> Response:
    """Own it; the acknowledge clock stops. Nobody takes it unseen from whoever took it meanwhile."""
    given, incident = await fields(call.request), call.path("incident")

    async def work() -> None:
        found = await incident_now(call)
        _as_seen(given, found["owner"] or "", "owner", f"{found['owner'] or 'nobody'}'s")
        if found["acknowledged"] is None:
            await acknowledge(call.served.store, incident, call.person)
        else:
            await _steering(call).take(incident, call.person)

    return await _did(call, work(), given, "taken", "You did not take it.")


@routes.post("/incidents/{incident}/notes", Permission.INCIDENTS_WRITE)
async def note_on_incident(call: Call) -> Response:
    """Note something; an update is what those who wait are owed."""
    given, incident = await fields(call.request), call.path("incident")
    text, is_update = given.get("text", "")[:_LONGEST_NOTE], bool(given.get("update"))
    work = _steering(call).note(incident, call.person, text, is_update=is_update)
    return await _did(call, work, given, "noted", "Your note was not kept.")


@routes.post("/incidents/{incident}/priority", Permission.INCIDENTS_WRITE)
async def change_priority(call: Call) -> Response:
    """Give it another priority; its clocks are planned again, and the new chain is paged."""
    given, incident = await fields(call.request), call.path("incident")

    async def work() -> None:
        wanted = given.get("priority", "")
        if wanted not in set(Priority):
            raise Refused(f"expected P1, P2, P3 or P4, found {wanted[:20]!r}")
        found = await incident_now(call)
        _as_seen(given, found["priority"], "priority", found["priority"])
        why = filling.reason(given, _LONGEST_REASON)
        await _steering(call).reprioritise(incident, call.person, Priority(wanted), why)

    return await _did(call, work(), given, "prioritised", "Its priority was not changed.")


@routes.post("/incidents/{incident}/pause", Permission.INCIDENTS_WRITE)
async def pause_incident_clock(call: Call) -> Response:
    """Let one clock stand still for a while; it goes on by itself."""
    given, incident = await fields(call.request), call.path("incident")

    async def work() -> None:
        lasts = filling.length(given, "length")
        if lasts is None:
            raise Refused(f"{incident}: expected for how long; found nothing")
        why = filling.reason(given, _LONGEST_REASON)
        await _steering(call).pause(incident, call.person, _clock(given), lasts, why)

    return await _did(call, work(), given, "clock-paused", "The clock was not paused.")


@routes.post("/incidents/{incident}/resume", Permission.INCIDENTS_WRITE)
async def resume_incident_clock(call: Call) -> Response:
    """Let a paused clock go on now."""
    given, incident = await fields(call.request), call.path("incident")

    async def work() -> None:
        await _steering(call).resume(incident, call.person, _clock(given))

    return await _did(call, work(), given, "clock-on", "The clock is as it was.")


@routes.post("/incidents/{incident}/duties", Permission.INCIDENTS_WRITE)
async def duty_of_incident(call: Call) -> Response:
    """Begin a duty to report, say when it was classified, or mark a stage as reported."""
    given, incident = await fields(call.request), call.path("incident")

    async def work() -> None:
        steering, regime = _steering(call), given.get("regime", "")
        if stage := given.get("stage", ""):
            reference = given.get("reference", "").strip()[:_LONGEST_REFERENCE]
            report = Report(stage=stage, reference=reference, at=filling.moment(given, "at"))
            await steering.report(incident, call.person, regime, report)
            return
        aware, classified = filling.moment(given, "aware"), filling.moment(given, "classified")
        if aware is None and classified is None:
            raise Refused(f"{incident}: expected since when you are aware of it; found nothing")
        await steering.begin_duty(incident, call.person, regime, aware=aware, classified=classified)

    done = "reported-duty" if given.get("stage") else "duty"
    return await _did(call, work(), given, done, "What is owed was not changed.")


@routes.post("/incidents/{incident}/close", Permission.INCIDENTS_WRITE)
async def close_this(call: Call) -> Response:
    """Close it; a false positive undoes what it holds, by one decision as heavy as the heaviest of it."""
    given, served, incident = await fields(call.request), call.served, call.path("incident")
    what = f"{incident} was not closed."
    try:
        said = "expected how it is closed: as resolved, or as a false positive"
        filling.expect(given.get("resolution") in set(Resolution), said)
        resolution = Resolution(given["resolution"])
        if resolution is Resolution.FALSE_POSITIVE:
            seen = views.held_now(await incident_now(call))
            _as_seen(given, seen, "what it holds", "another set of leases")
        proof = Proof(code=filling.code(given), passkey=filling.passkey(given))
        ask = await close(
            served.store, served.leasing, incident, call.person, resolution, proof, method="console"
        )
    except Refused as refused:
        return await show(call, refusal(refused.message, what), given)
    if ask is None:
        return see(f"/incidents/{incident}?done=closed")
    if ask["state"] != "approved":
        return see(f"/asks/{ask['id']}?done=closed-asked")
    held = dict.fromkeys(hold["resource"] for hold in ask["subject"]["holds"])
    await served.lease_delivery.tell(held)
    return see(f"/incidents/{incident}?done=closed-undone")


async def _did(call: Call, work: Awaitable[object], given: Given, done: str, what: str) -> Response:
    try:
        await work
    except Refused as refused:
        return await show(call, refusal(refused.message, what), given)
    return see(f"/incidents/{call.path('incident')}?done={done}")


def _as_seen(given: Given, now: str, name: str, said: str) -> None:
    """Raise `Refused` if what the form was shown with is not so any more."""
    if given.get("seen", "") != now:
        raise Refused(f"its {name} changed while you looked: it is {said} by now")


def _clock(given: Given) -> Clock:
    if (found := given.get("clock", "")) not in set(Clock):
        raise Refused(f"expected one of {', '.join(Clock)}, found {found[:20]!r}")
    return Clock(found)


def _steering(call: Call) -> Steering:
    return Steering(call.served.store, call.served.kinds, call.served.policy)
