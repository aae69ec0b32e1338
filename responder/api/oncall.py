"""Who is on call, who stands in, and whether every level of every chain reaches somebody."""

from datetime import timedelta

from responder.api.parts import Parts
from responder.api.route import Call, Routes
from responder.people.oncall import Override
from responder.people.person import Permission
from responder.people.preflight import gaps
from responder.people.standing_in import StandingIn, in_force, stand_in, withdraw
from responder.standing.whole import Row

routes = Routes()
_MOST_DAYS = 366


@routes.get("/api/oncall", Permission.INCIDENTS_READ)
async def who(call: Call) -> Row:
    """Whom each level of the chains reaches now and by which channels, and the shifts of `days` days."""
    served, now = call.served, call.served.store.now()
    overrides = await _overrides(served)
    reach, routing = served.reach, served.routing
    levels = [
        {
            "level": level,
            "chains": [priority.value for priority in priorities],
            "said": (reached := reach.of(level, now, overrides)).said,
            "people": [
                {"name": one.name, "channels": routing.reaching(one, level)}
                for one in reached.people
            ],
        }
        for level, priorities in reach.levels().items()
    ]
    end = now + timedelta(days=call.number("days", 14, most=_MOST_DAYS))
    shifts = [
        shift.model_dump(mode="json") | {"start": start.isoformat()}
        for roster in reach.oncall.rosters
        for start, shift in reach.oncall.shifts(roster, now, end, overrides)
    ]
    standing_in = [override.model_dump(mode="json") for override in overrides]
    return {"levels": levels, "shifts": shifts, "overrides": standing_in}


@routes.get("/api/oncall/preflight", Permission.INCIDENTS_READ)
async def preflight(call: Call) -> Row:
    """Every level that reaches nobody well enough, now or in the time that is looked ahead."""
    served = call.served
    found = gaps(served.reach, served.routing, served.store.now(), await _overrides(served))
    return {
        "ahead_days": served.settings.oncall.ahead / timedelta(days=1),
        "gaps": [gap.model_dump(mode="json") | {"words": str(gap)} for gap in found],
    }


@routes.post("/api/oncall/overrides", Permission.ONCALL_WRITE)
async def override(call: Call) -> Row:
    """Let somebody stand in on a roster."""
    served, wanted = call.served, await call.body(StandingIn)
    made = await stand_in(served.store, served.settings.oncall, served.people, call.person, wanted)
    return made.model_dump(mode="json")


@routes.post("/api/oncall/overrides/{override}/withdraw", Permission.ONCALL_WRITE)
async def stop_standing_in(call: Call) -> Row:
    """End it now: whoever's turn it is, is on call again."""
    await withdraw(call.served.store, call.person, call.path("override"))
    return {"override": call.path("override"), "withdrawn_by": call.person.name}


async def _overrides(served: Parts) -> list[Override]:
    async with served.store.reading() as tx:
        return await in_force(tx, served.store.now())
