"""Leases over HTTP: what is held, and deciding that it ends now or is held for longer."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from pydantic import Field, model_validator
from sqlalchemy import select

from responder.api.route import Call, Routes
from responder.approval.lease_drawing import Wish
from responder.approval.leasing import Proof
from responder.durations import Duration
from responder.people.person import Permission
from responder.policy.leases import LeaseKind
from responder.standing.whole import Row, plain
from responder.store.tables import holds, resources

routes = Routes()

# How long an answer waits to say that it was undone and read back; what is later is in the list.
_WAITS = timedelta(seconds=5)


class EndingOf(Proof):
    """What to end now: one hold, or all on a resource."""

    hold: str | None = Field(default=None, max_length=400)
    resource: str | None = Field(default=None, max_length=400)
    reason: str = Field(default="", max_length=1000, description="Why.")

    @model_validator(mode="after")
    def _one_is_named(self) -> Self:
        if (self.hold is None) == (self.resource is None):
            raise ValueError("expected one of hold and resource")
        return self

    @property
    def wish(self) -> Wish:
        """What is asked for."""
        return Wish(hold=self.hold, resource=self.resource, reason=self.reason)


class ChallengeFor(EndingOf):
    """What a passkey is asked for: ending, or with one of `lasts` and `until` extending."""

    lasts: Duration | None = Field(default=None, description="How much longer than now decided.")
    until: datetime | None = Field(default=None, description="Until when; with a time zone.")

    @model_validator(mode="after")
    def _an_end_is_named_once(self) -> Self:
        if self.lasts is not None and self.until is not None:
            raise ValueError("expected one of lasts and until")
        if self.until is not None and self.until.tzinfo is None:
            raise ValueError("until: expected a time zone, such as Z")
        return self

    @property
    def wish(self) -> Wish:
        """What is asked for."""
        if self.lasts is None and self.until is None:
            return super().wish
        later = {"kind": LeaseKind.EXTEND, "lasts": self.lasts, "until": self.until}
        return super().wish.model_copy(update=later)


class ExtensionOf(ChallengeFor):
    """What to hold for longer, and how much longer or until when."""

    @model_validator(mode="after")
    def _an_end_is_named(self) -> Self:
        if self.lasts is None and self.until is None:
            raise ValueError("expected one of lasts and until")
        return self


@routes.get("/api/leases", Permission.INCIDENTS_READ)
async def list_leases(call: Call) -> list[Row]:
    """What is held, where, until when, and how it stands; with `everything`, what ended as well."""
    query = (
        select(holds, resources.c.point, resources.c.outcome, resources.c.state, resources.c.said)
        .join(resources, resources.c.name == holds.c.resource)
        .order_by(holds.c.taken)
    )
    if not call.flag("everything"):
        query = query.where(holds.c.ended.is_(None))
    async with call.served.store.reading() as tx:
        return [plain(row) for row in (await tx.execute(query)).mappings()]


@routes.post("/api/leases/end", Permission.LEASES_WRITE)
async def end_leases(call: Call) -> Row:
    """End holds now, by a signed decision; what nothing holds any more is undone and read back."""
    return await _decide(call, await call.body(EndingOf))


@routes.post("/api/leases/extend", Permission.LEASES_WRITE)
async def extend_leases(call: Call) -> Row:
    """Hold something for longer, by a signed decision; its enforcement point keeps it as long."""
    return await _decide(call, await call.body(ExtensionOf))


@routes.post("/api/leases/challenge", Permission.LEASES_WRITE)
async def challenge(call: Call) -> Row:
    """What your passkey is asked for, to end holds, or with `lasts` or `until` to extend them."""
    wanted = await call.body(ChallengeFor)
    return await call.served.leasing.challenge(wanted.wish, call.person)


async def _decide(call: Call, wanted: EndingOf) -> Row:
    proof = Proof(code=wanted.code, passkey=wanted.passkey)
    ask = await call.served.leasing.request(
        wanted.wish, call.person, proof, method="console" if call.session else "api token"
    )
    return await told(call, ask)


async def told(call: Call, ask: Mapping[Any, Any]) -> Row:
    """The ask, and what came of every hold that it is about."""
    delivery = call.served.lease_delivery
    found = list(dict.fromkeys(hold["resource"] for hold in ask["subject"]["holds"]))
    if ask["state"] == "approved":
        await delivery.tell(found)
    shown = ("id", "kind", "state", "tier", "digest", "expires")
    return {
        "ask": plain({name: ask[name] for name in shown}),
        "resources": found,
        "leases": await delivery.came(ask["id"], _WAITS),
    }
