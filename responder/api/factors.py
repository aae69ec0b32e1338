"""Second factors over HTTP: seeing, adding and removing them, and the challenges that passkeys answer."""

from typing import Any

from pydantic import Field, JsonValue

from responder.api.route import Call, Problem, Routes
from responder.approval import backup_codes, passkeys, tickets, totp
from responder.approval.announcing import announce
from responder.approval.enrolment import (
    TICKET,
    Factor,
    Proof,
    Purpose,
    bound_to,
    permit,
    prove,
    summary,
)
from responder.audit import Entry
from responder.incident import Frozen
from responder.people.person import Permission

routes = Routes()
_A_NAME = r"^[\w .,'()-]{1,64}$"


class Challenging(Frozen):
    """What a passkey's answer is to be good for."""

    purpose: Purpose = Field(default=Purpose.FACTORS, description="What is to be proved.")


class Naming(Proof):
    """Which passkey, and what is proved for removing it."""

    passkey_name: str = Field(max_length=64, description="The passkey's name.")


class Registration(Frozen):
    """What a browser registered, and how its owner calls it."""

    name: str = Field(pattern=_A_NAME, description="Such as `blue key` or `ana's phone`.")
    credential: dict[str, JsonValue] = Field(description="What the browser made, by `toJSON()`.")


@routes.post("/api/asks/{ask}/challenge", Permission.APPROVALS_DECIDE)
async def challenge(call: Call) -> dict[str, Any]:
    """What your passkey must answer to approve exactly this ask's plan: good once, two minutes."""
    return await call.served.approvals.challenge(call.path("ask"), call.person)


@routes.get("/api/people/{name}/factors", Permission.FACTORS_WRITE)
async def show(call: Call) -> dict[str, Any]:
    """Which second factors somebody has; your own, or anybody's for an admin."""
    name = _whose(call)
    async with call.served.store.reading() as tx:
        return await summary(tx, name)


@routes.post("/api/people/{name}/challenge", Permission.FACTORS_WRITE)
async def challenge_for_change(call: Call) -> dict[str, Any]:
    """What your passkey must answer for one purpose about somebody: good once, two minutes."""
    served = call.served
    bound = bound_to(_whose(call), (await call.body(Challenging)).purpose)
    origin, now = served.settings.api.origin, served.store.now()
    return await passkeys.challenge_for(served.store, origin, call.person.name, bound, now)


@routes.post("/api/people/{name}/ticket", Permission.PEOPLE_WRITE)
async def issue_ticket(call: Call) -> dict[str, Any]:
    """Let somebody add one second factor within 15 minutes. The ticket is shown once."""
    name, served, now = _whose(call), call.served, call.served.store.now()
    proof, origin = await call.body(Factor), served.settings.api.origin
    # Nothing takes the place of the admin's own factor: a ticket makes a second identity.
    await prove(served.store, served.deliveries, origin, call.person, proof, bound_to(name), now)
    ticket = await tickets.issue(served.store, name, call.person.name, now)
    return {"person": name, "ticket": ticket, "expires": (now + tickets.LASTS).isoformat()}


@routes.post("/api/people/{name}/factor", Permission.FACTORS_WRITE)
async def enrol(call: Call) -> dict[str, Any]:
    """Make yourself a new authenticator app's secret; the one before ends. The answer is shown once."""
    name, served = _own(call), call.served
    by = await _permit(call, name, await call.body(Proof))
    now, actor = served.store.now(), call.person.name
    async with served.store.transaction() as tx:
        address = await totp.enrol(tx, served.deliveries, name)
        await announce(
            tx,
            now,
            Entry(kind="enrolled", actor=actor, subject=name, data={"by": by}),
            to=name,
            key=f"enrolled/{name}/{now.isoformat()}",
            subject=f"{name} set up a new authenticator app; the one before no longer works",
            body="If that was not you, tell an admin now: they can replace your second factors.",
        )
    return {"person": name, "otpauth": address}


@routes.post("/api/people/{name}/backup-codes", Permission.FACTORS_WRITE)
async def renew_backup_codes(call: Call) -> dict[str, Any]:
    """Make yourself ten new backup codes; the ones before end. They are shown once."""
    name, served = _own(call), call.served
    await _permit(call, name, await call.body(Proof))
    codes = await backup_codes.renew(
        served.store, served.deliveries, name, name, served.store.now()
    )
    return {"person": name, "codes": codes}


@routes.post("/api/people/{name}/passkeys/options", Permission.FACTORS_WRITE)
async def begin_passkey(call: Call) -> dict[str, Any]:
    """Begin adding a passkey of yours: what the browser's `parseCreationOptionsFromJSON` reads."""
    name, served = _own(call), call.served
    proof = await call.body(Proof)
    by = await _permit(call, name, proof, keep_ticket=True)
    return await passkeys.begin_registration(
        served.store,
        served.settings.api.origin,
        name,
        served.store.now(),
        ticket=tickets.digest(proof.ticket) if by == TICKET else "",
    )


@routes.post("/api/people/{name}/passkeys", Permission.FACTORS_WRITE)
async def add_passkey(call: Call) -> dict[str, Any]:
    """Finish adding a passkey of yours: what the browser made of the options."""
    name, served = _own(call), call.served
    made = await call.body(Registration)
    origin, now = served.settings.api.origin, served.store.now()
    await passkeys.register(
        served.store, served.deliveries, origin, name, made.name, made.credential, now
    )
    return {"person": name, "name": made.name}


@routes.post("/api/people/{name}/passkeys/remove", Permission.FACTORS_WRITE)
async def remove_passkey(call: Call) -> dict[str, Any]:
    """Remove a passkey by its name; your own, or anybody's for an admin."""
    name, served = _whose(call), call.served
    naming = await call.body(Naming)
    await _permit(call, name, naming)
    now = served.store.now()
    await passkeys.remove(served.store, name, naming.passkey_name, call.person.name, now)
    return {"person": name, "removed": naming.passkey_name}


def _whose(call: Call) -> str:
    """The person of the path, whom the caller may look at: themselves, or anybody for an admin."""
    name = call.path("name")
    if name != call.person.name and not call.person.may(Permission.PEOPLE_WRITE):
        raise Problem(403, f"{call.person.name} may see and change their own second factors only")
    if call.served.people.find(name) is None:
        raise Problem(404, f"the settings name no person {name}")
    return name


def _own(call: Call) -> str:
    """The person of the path, who must be the caller: nobody else should see or hold this."""
    name = _whose(call)
    if name != call.person.name:
        raise Problem(
            403,
            f"only {name} makes these, so that nobody else ever has them; give them a ticket\n\n"
            f"hint: responder people ticket {name}",
        )
    return name


async def _permit(call: Call, about: str, proof: Proof, *, keep_ticket: bool = False) -> str:
    served = call.served
    return await permit(
        served.store,
        served.deliveries,
        served.settings.api.origin,
        call.person,
        about,
        proof,
        served.store.now(),
        keep_ticket=keep_ticket,
    )
