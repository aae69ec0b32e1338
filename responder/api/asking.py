"""What is beside deciding: breaking the glass and its reviews, editing, reports, and who is worn down."""

from responder.api.route import Call, Routes
from responder.approval import misuse, reviewing
from responder.approval.break_glass import Breaking, Glass
from responder.approval.editing import Editing, Editor
from responder.approval.reviewing import Review
from responder.approval.stamps import stamps
from responder.people.person import Permission
from responder.standing.whole import Row, plain

routes = Routes()


@routes.post("/api/asks/{ask}/break-glass", Permission.APPROVALS_DECIDE)
async def break_glass(call: Call) -> Row:
    """Approve an ask of T2 or T3 alone, with a strong factor and a reason; the CISO is paged at once."""
    breaking = await call.body(Breaking)
    decided, review = await _glass(call).break_glass(call.path("ask"), call.person, breaking)
    return plain(decided) | {"review": review, "delivered": await _told(call, decided["run"])}


@routes.post("/api/asks/{ask}/break-glass/challenge", Permission.APPROVALS_DECIDE)
async def break_glass_challenge(call: Call) -> Row:
    """What a browser asks a passkey for, to break the glass for exactly this ask's plan."""
    return await _glass(call).challenge(call.path("ask"), call.person)


@routes.post("/api/asks/{ask}/edit", Permission.APPROVALS_DECIDE)
async def edit_ask(call: Call) -> Row:
    """Ask for another length, or without some actions: the ask ends, and a new plan is asked for."""
    served, editing = call.served, await call.body(Editing)
    most = served.settings.approvals.most_edits
    editor = Editor(served.store, served.signer, served.policy, served.kinds, most)
    edited = await editor.edit(call.path("ask"), call.person, editing)
    return plain(edited) | {"delivered": await _told(call, edited["run"])}


@routes.post("/api/incidents/{incident}/unmute", Permission.PEOPLE_WRITE)
async def unmute(call: Call) -> Row:
    """Let asks of an incident reach people again after one of them was reported as misuse."""
    incident = call.path("incident")
    lifted = await misuse.unmute(call.served.store, incident, call.person)
    return {"incident": incident, "reports": lifted}


@routes.get("/api/approvals/stamps", Permission.INCIDENTS_READ)
async def list_stamps(call: Call) -> list[Row]:
    """The decisions of the last week by person, and how many of them came before anybody can read."""
    served = call.served
    async with served.store.reading() as tx:
        return await stamps(tx, served.settings.approvals, served.store.now())


@routes.get("/api/approvals/reviews", Permission.INCIDENTS_READ)
async def list_reviews(call: Call) -> list[Row]:
    """The broken glasses that somebody must review; with `everything`, the reviewed ones as well."""
    rows = await reviewing.listed(call.served.store, everything=call.flag("everything"))
    return [plain(row) for row in rows]


@routes.post("/api/approvals/reviews/{review}", Permission.PAGES_TAKE)
async def review(call: Call) -> Row:
    """Say whether a glass was broken with need: by the CISO's team or an admin, never by who did it."""
    served, found = call.served, await call.body(Review)
    team = served.settings.approvals.break_glass.page
    row = await reviewing.review(served.store, call.path("review"), call.person, found, team=team)
    return plain(row)


def _glass(call: Call) -> Glass:
    served = call.served
    rules, origin = served.settings.approvals, served.settings.api.origin
    return Glass(
        served.store, served.signer, served.deliveries, served.policy, rules.break_glass, origin,
        vouched_for=rules.vouched_for,
    )  # fmt: skip


async def _told(call: Call, run: str) -> bool:
    try:
        await call.served.link.tell(run)
    except Exception:  # noqa: BLE001 - Temporal is away: the nudger delivers it until it is picked up
        return False
    return True
