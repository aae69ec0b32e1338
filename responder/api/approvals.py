"""Asks and decisions over HTTP, and the pause."""

from pydantic import Field
from sqlalchemy import select

from responder.api.route import Call, Problem, Routes
from responder.approval import stamps
from responder.approval.enrolment import Factor
from responder.approval.pausing import pause_runner, resume_runner
from responder.approval.requesting import in_words, may_approve
from responder.approval.revoking import Revocation, revoke
from responder.approval.service import Verdict
from responder.incident import Frozen
from responder.people.approver_rights import About
from responder.people.person import Permission
from responder.standing.whole import Row, plain
from responder.store.tables import asks, decisions, incidents

routes = Routes()


class Pausing(Frozen):
    """Why nothing new may be done for now."""

    reason: str = Field(min_length=1, max_length=300)


@routes.get("/api/asks", Permission.INCIDENTS_READ)
async def list_asks(call: Call) -> list[Row]:
    """The asks that wait for a person; with `everything`, the ended ones as well."""
    query = select(asks).order_by(asks.c.opened.desc()).limit(500)
    if not call.flag("everything"):
        query = query.where(asks.c.state == "open")
    async with call.served.store.reading() as tx:
        rows = (await tx.execute(query)).mappings()
        # The number to match stands where one plan is read, not in a list.
        return [plain(row) | {"number": None} for row in rows]


@routes.get("/api/asks/{ask}", Permission.INCIDENTS_READ)
async def show_ask(call: Call) -> Row:
    """One ask with its plan, who asked for it, who may approve it, and its decisions."""
    ask = call.path("ask")
    async with call.served.store.reading() as tx:
        of = select(asks, incidents.c.category, incidents.c.priority).join(incidents)
        row = (await tx.execute(of.where(asks.c.id == ask))).mappings().one_or_none()
        if row is None:
            raise Problem(404, f"there is no ask {ask}")
        query = select(
            decisions.c.principal,
            decisions.c.approve,
            decisions.c.document,
            decisions.c.revoked,
            decisions.c.after,
        )
        given = (await tx.execute(query.where(decisions.c.ask == ask))).mappings().all()
        told = await stamps.told(tx, ask)
    await stamps.look(call.served.store, ask, call.person)
    return plain(row) | {
        "asked_for_by": in_words(row),
        "may_approve": may_approve(call.served.people, row, About.of(row)),
        "decisions": [plain(one) for one in given],
        "told": [plain(one) for one in told],
    }


@routes.post("/api/asks/{ask}/decisions", Permission.APPROVALS_DECIDE)
async def decide(call: Call) -> Row:
    """Decide an ask; an approval quotes the plan's `digest`, 12 hex digits or more. Its run hears of it at once."""
    served, verdict = call.served, await call.body(Verdict)
    decided = await served.approvals.decide(
        call.path("ask"), call.person, verdict, method="console" if call.session else "api token"
    )
    return plain(decided) | {"delivered": await _told(call, decided["run"])}


@routes.post("/api/approvals/{ask}/revoke", Permission.APPROVALS_DECIDE)
async def take_back(call: Call) -> Row:
    """Take an approval back, your own or as an admin anybody's, before its first effect has begun."""
    served, revocation = call.served, await call.body(Revocation)
    revoked = await revoke(served.store, call.path("ask"), call.person, revocation)
    return plain(revoked) | {"delivered": await _told(call, revoked["run"])}


async def _told(call: Call, run: str) -> bool:
    try:
        await call.served.link.tell(run)
    except Exception:  # noqa: BLE001 - Temporal is away: the nudger delivers it until it is picked up
        return False
    return True


@routes.post("/api/pause", Permission.RUNNER_PAUSE)
async def pause(call: Call) -> Row:
    """Let nothing new be done from now on, told loudly; what is leased is still undone in time."""
    pausing = await call.body(Pausing)
    return await pause_runner(call.served.store, call.person.name, pausing.reason)


@routes.post("/api/resume", Permission.RUNNER_PAUSE)
async def resume(call: Call) -> Row:
    """Go on, which takes a second factor."""
    served, proof = call.served, await call.body(Factor)
    origin, rules = served.settings.api.origin, served.settings.approvals
    return await resume_runner(served.store, served.deliveries, origin, call.person, proof, rules)
