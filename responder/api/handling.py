"""What people do to an incident's course, over HTTP: take it over, note, raise it, pause, report."""

from datetime import timedelta

from pydantic import AwareDatetime, Field

from responder.api.route import Call, Problem, Routes
from responder.incident import Frozen, Priority
from responder.people.person import Permission
from responder.policy.sla import Clock
from responder.standing.duties import Report
from responder.standing.whole import Row
from responder.steering import Steering

routes = Routes()
_LONGEST = 10_000  # characters of a note


class Noting(Frozen):
    """A note, and whether it is the update that people wait for."""

    text: str = Field(min_length=1, max_length=_LONGEST)
    update: bool = False


class Prioritising(Frozen):
    """Another priority, and why."""

    priority: Priority
    reason: str = Field(min_length=1, max_length=1_000)


class Pausing(Frozen):
    """Which clock stands still, for how long, and why."""

    clock: Clock
    length: timedelta
    reason: str = Field(min_length=1, max_length=1_000)


class Resuming(Frozen):
    """Which clock goes on before its pause ends by itself."""

    clock: Clock


class Owing(Frozen):
    """Since when we are aware, when it was classified, or which stage was reported."""

    aware: AwareDatetime | None = None
    classified: AwareDatetime | None = None
    done: str | None = Field(default=None, max_length=64)
    at: AwareDatetime | None = None
    reference: str = Field(default="", max_length=1_000)


def _steering(call: Call) -> Steering:
    return Steering(call.served.store, call.served.kinds, call.served.policy)


@routes.post("/api/incidents/{incident}/chain", Permission.INCIDENTS_WRITE)
async def adopt_chain(call: Call) -> Row:
    """Have it climb the settings' chain as it is now, not the one it was opened with."""
    incident = call.path("incident")
    return {
        "incident": incident,
        "chain": list(await _steering(call).adopt_chain(incident, call.person)),
    }


@routes.post("/api/incidents/{incident}/take", Permission.INCIDENTS_WRITE)
async def take(call: Call) -> Row:
    """Take it over from whoever has it."""
    incident = call.path("incident")
    before = await _steering(call).take(incident, call.person)
    return {"incident": incident, "owner": call.person.name, "from": before}


@routes.post("/api/incidents/{incident}/notes", Permission.INCIDENTS_WRITE)
async def note(call: Call) -> Row:
    """Note something; with `update`, those who wait have had their news."""
    incident, noting = call.path("incident"), await call.body(Noting)
    await _steering(call).note(incident, call.person, noting.text, is_update=noting.update)
    return {"incident": incident, "by": call.person.name, "update": noting.update}


@routes.post("/api/incidents/{incident}/priority", Permission.INCIDENTS_WRITE)
async def prioritise(call: Call) -> Row:
    """Give it another priority; its clocks are planned again from its beginning."""
    incident, wanted = call.path("incident"), await call.body(Prioritising)
    await _steering(call).reprioritise(incident, call.person, wanted.priority, wanted.reason)
    return {"incident": incident, "priority": wanted.priority}


@routes.post("/api/incidents/{incident}/pause", Permission.INCIDENTS_WRITE)
async def pause_clock(call: Call) -> Row:
    """Let one of its clocks stand still for a while; it goes on by itself."""
    incident, wanted = call.path("incident"), await call.body(Pausing)
    until = await _steering(call).pause(
        incident, call.person, wanted.clock, wanted.length, wanted.reason
    )
    return {"incident": incident, "clock": wanted.clock, "until": until.isoformat()}


@routes.post("/api/incidents/{incident}/resume", Permission.INCIDENTS_WRITE)
async def resume_clock(call: Call) -> Row:
    """Let a paused clock go on now; what was not used of the pause can be used later."""
    incident, wanted = call.path("incident"), await call.body(Resuming)
    due = await _steering(call).resume(incident, call.person, wanted.clock)
    return {"incident": incident, "clock": wanted.clock, "due": due.isoformat()}


@routes.post("/api/incidents/{incident}/duties/{regime}", Permission.INCIDENTS_WRITE)
async def duty(call: Call) -> Row:
    """Begin a duty to report, classify the incident for it, or mark a stage as reported."""
    incident, regime = call.path("incident"), call.path("regime")
    owing, steering = await call.body(Owing), _steering(call)
    begins = owing.aware is not None or owing.classified is not None
    if begins == (owing.done is not None):
        raise Problem(422, "expected `aware` or `classified`, or the stage that is `done`")
    if owing.done is None:
        await steering.begin_duty(
            incident, call.person, regime, aware=owing.aware, classified=owing.classified
        )
    else:
        report = Report(stage=owing.done, reference=owing.reference, at=owing.at)
        await steering.report(incident, call.person, regime, report)
    return {"incident": incident, "regime": regime}
