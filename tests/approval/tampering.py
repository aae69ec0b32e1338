"""Every way we know to have something done without a ruling: each takes a good approval and spoils it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from responder.approval.decision import Decision
from responder.approval.settings import BreakGlass
from responder.crypto.signing import Signer
from responder.people.person import Person, Role
from responder.plan import How, Plan, Requester
from responder.policy.judge import Policy

STRANGER = Signer(Ed25519PrivateKey.generate())
GLASS = {"method": "break-glass", "factors": ("break-glass", "totp"), "reason": "nobody answers"}
Row = dict[str, Any]


@dataclass
class Attempt:
    """An approved step as it stands in the store, with the people and the policy of the moment."""

    ask: Row
    step: Row
    signer: Signer
    people: dict[str, Person]
    policy: Policy
    now: datetime
    random: random.Random
    glass: BreakGlass = field(default_factory=BreakGlass)
    rows: list[Row] = field(default_factory=list)

    def decision(self, who: str, **changed: Any) -> Decision:
        """A decision of *who* that is good but for what is *changed*."""
        given = {
            "ask": self.ask["id"], "digest": self.ask["digest"], "principal": who, "approve": True,
            "method": "api token", "factors": ("api token", "totp"), "issued": self.now,
            "expires": self.now + timedelta(minutes=15), "nonce": f"{self.random.getrandbits(128):x}",
            "policy": "as it was",
        }  # fmt: skip
        return Decision.model_validate(given | changed)

    def row(self, decision: Decision, signer: Signer | None = None, **changed: Any) -> Row:
        """*decision* as the store keeps it, signed."""
        return {
            "ask": self.ask["id"], "principal": decision.principal, "approve": decision.approve,
            "document": decision.document,
            "signature": (signer or self.signer).sign(decision.document), "revoked": None,
        } | changed  # fmt: skip

    def decide(self, *who: str, **changed: Any) -> None:
        """Have only these people decide."""
        self.rows = [self.row(self.decision(name, **changed)) for name in who]

    def one(self) -> Row:
        """One of the decisions."""
        return self.random.choice(self.rows)

    def other_digest(self) -> str:
        """A digest that differs in one hex digit."""
        digest, at = self.ask["digest"], self.random.randrange(64)
        digit = self.random.choice([d for d in "0123456789abcdef" if d != digest[at]])
        return f"{digest[:at]}{digit}{digest[at + 1 :]}"

    def later(self) -> timedelta:
        """Past the end of any approval: by a microsecond up to a month."""
        return timedelta(minutes=15, microseconds=10 ** self.random.randrange(13) + 1)


Spoil = Callable[[Attempt], None]
SPOILT: dict[str, Spoil] = {}


def spoils(name: str) -> Callable[[Spoil], Spoil]:
    """Declare one way."""

    def declare(spoil: Spoil) -> Spoil:
        SPOILT[name] = spoil
        return spoil

    return declare


# Signatures


@spoils("a signature made up")
def _(a: Attempt) -> None:
    a.one()["signature"] = f"{a.random.getrandbits(512):0128x}"


@spoils("a signature of another key")
def _(a: Attempt) -> None:
    row = a.one()
    row["signature"] = STRANGER.sign(row["document"])


@spoils("a signature with one bit turned")
def _(a: Attempt) -> None:
    row = a.one()
    turned = int(row["signature"], 16) ^ (1 << a.random.randrange(512))
    row["signature"] = f"{turned:0128x}"


@spoils("a signature cut short, or none")
def _(a: Attempt) -> None:
    row = a.one()
    row["signature"] = row["signature"][: a.random.choice([0, 2, 64, 126])]


@spoils("another decision's signature")
def _(a: Attempt) -> None:
    a.rows[0]["signature"], a.rows[1]["signature"] = a.rows[1]["signature"], a.rows[0]["signature"]


def _edited(name: str, value: Callable[[Attempt, Any], Any]) -> None:
    @spoils(f"a signed document whose {name} was edited")
    def _(a: Attempt) -> None:
        row = a.one()
        row["document"] = {**row["document"], name: value(a, row["document"][name])}


_edited("principal", lambda _, was: "ben" if was != "ben" else "cyd")
_edited("expires", lambda a, _: (a.now + timedelta(days=a.random.randrange(1, 999))).isoformat())
_edited("issued", lambda a, _: (a.now + timedelta(days=a.random.randrange(1, 999))).isoformat())
_edited("factors", lambda _, was: [*was, "passkey"])
_edited("method", lambda *_: "break-glass")
_edited("reason", lambda *_: "because I say so")
_edited("nonce", lambda a, _: f"{a.random.getrandbits(128):x}")
_edited("digest", lambda a, _: a.other_digest())
_edited("ask", lambda a, _: f"{a.random.getrandbits(64):016x}")


@spoils("a denial whose approve was edited")
def _(a: Attempt) -> None:
    row = a.row(a.decision("ana", approve=False))
    row["document"] = {**row["document"], "approve": True}
    a.rows[0] = row | {"approve": True}


# The ask


def _state(state: str) -> None:
    @spoils(f"an ask that is {state or 'nothing'}")
    def _(a: Attempt) -> None:
        a.ask["state"] = state


for _one in ("open", "denied", "expired", "revoked", "edited", "", "APPROVED", "approved "):
    _state(_one)


@spoils("an approval of another ask (replayed, or its id edited)")
def _(a: Attempt) -> None:
    a.rows = [a.row(a.decision(w, ask=f"{a.random.getrandbits(64):016x}")) for w in ("ana", "ben")]


@spoils("one of two approvals of another ask")
def _(a: Attempt) -> None:
    a.rows[1] = a.row(a.decision("ben", ask=f"{a.random.getrandbits(64):016x}"))


@spoils("an approval of another digest")
def _(a: Attempt) -> None:
    a.rows = [a.row(a.decision(w, digest=a.other_digest())) for w in ("ana", "ben")]


@spoils("an ask moved to another digest")
def _(a: Attempt) -> None:
    a.ask["digest"] = a.other_digest()


@spoils("an ask moved with its decisions to another digest")
def _(a: Attempt) -> None:
    a.ask["digest"] = a.other_digest()
    a.decide("ana", "ben")


@spoils("an ask whose needs were lowered to one without a factor")
def _(a: Attempt) -> None:
    a.ask["needs"] = {"people": a.random.choice([0, 1]), "stepped_up": 0, "not_requester": False}
    a.decide("ana", factors=("api token",))


@spoils("an ask whose needs were lowered to nobody")
def _(a: Attempt) -> None:
    a.ask["needs"] = {"people": 0, "stepped_up": 0, "not_requester": False}
    a.rows = []


# The plan


def _other_plan(a: Attempt) -> Plan:
    plan = Plan.model_validate(a.step["plan"])
    change = plan.changes[0]
    which = a.random.randrange(4)
    if which == 0:
        longer = timedelta(days=a.random.randrange(2, 99))
        return plan.model_copy(
            update={"changes": (change.model_copy(update={"lasts": longer}), *plan.changes[1:])}
        )
    if which == 1:
        return plan.model_copy(update={"step": plan.step + a.random.randrange(1, 99)})
    if which == 2:
        return plan.model_copy(update={"incident": f"IR-{a.random.randrange(10, 99)}"})
    request = change.request.model_copy(
        update={"params": {**change.request.params, "note": f"{a.random.getrandbits(32):x}"}}
    )
    return plan.model_copy(
        update={"changes": (change.model_copy(update={"request": request}), *plan.changes[1:])}
    )


@spoils("a plan that was edited after its approval")
def _(a: Attempt) -> None:
    a.step["plan"] = _other_plan(a).model_dump(mode="json")


@spoils("a plan that was edited together with its digest")
def _(a: Attempt) -> None:
    plan = _other_plan(a)
    a.step |= {"plan": plan.model_dump(mode="json"), "digest": plan.digest}


@spoils("a plan that was edited together with its digest and its ask's")
def _(a: Attempt) -> None:
    plan = _other_plan(a)
    a.step |= {"plan": plan.model_dump(mode="json"), "digest": plan.digest}
    a.ask["digest"] = plan.digest


# Time


@spoils("execute-by has passed")
def _(a: Attempt) -> None:
    a.now += a.later()


@spoils("execute-by has passed, and its row says later")
def _(a: Attempt) -> None:
    a.now += a.later()
    a.ask["execute_by"] = a.now + timedelta(days=999)


@spoils("a row that ends it earlier")
def _(a: Attempt) -> None:
    a.ask["execute_by"] = a.now - timedelta(microseconds=a.random.randrange(1, 10**9))


# People


@spoils("quorum less one")
def _(a: Attempt) -> None:
    a.rows.pop(a.random.randrange(2))


@spoils("nobody")
def _(a: Attempt) -> None:
    a.rows = []


@spoils("one person twice, as two rows")
def _(a: Attempt) -> None:
    a.rows[1] = a.row(a.decision("ana"), principal="ben")


@spoils("one decision replayed in another's row")
def _(a: Attempt) -> None:
    a.rows[1] = {**a.rows[0], "principal": "ben"}


@spoils("who asked for it approves")
def _(a: Attempt) -> None:
    a.ask["requester"] = a.random.choice(["ana", "ben"])


# `dee` opened the incident of every attempt by hand: the plan says so, and its digest with it.


def _unasked(a: Attempt, *who: str) -> dict[str, Any]:
    """The step's plan as if *who* had asked for it, or nobody."""
    asked_by = tuple(Requester(name=name, how=How.OPENED) for name in who)
    return (
        Plan.model_validate(a.step["plan"])
        .model_copy(update={"asked_by": asked_by})
        .model_dump(mode="json")
    )


def _with_who_opened_it(a: Attempt) -> None:
    a.decide("dee", a.random.choice(["ana", "ben"]))


@spoils("the requester approved")
def _(a: Attempt) -> None:
    _with_who_opened_it(a)


@spoils("the requester approved, and the row says that they may")
def _(a: Attempt) -> None:
    _with_who_opened_it(a)
    a.ask["needs"] = {**a.ask["needs"], "not_requester": False}


@spoils("the requester approved, blanked in the plan")
def _(a: Attempt) -> None:
    _with_who_opened_it(a)
    a.step["plan"] = _unasked(a)


@spoils("the requester approved, another named in their place")
def _(a: Attempt) -> None:
    _with_who_opened_it(a)
    a.step["plan"] = _unasked(a, a.random.choice(["vic", "cyd", "nobody"]))


@spoils("the requester approved, blanked in the ask's row")
def _(a: Attempt) -> None:
    _with_who_opened_it(a)
    a.ask |= {"plan": _unasked(a), "requester": ""}


@spoils("the requester approved, blanked in every row with its digest")
def _(a: Attempt) -> None:
    _with_who_opened_it(a)
    plan = _unasked(a)
    digest = Plan.model_validate(plan).digest
    a.step |= {"plan": plan, "digest": digest}
    a.ask |= {"plan": plan, "digest": digest}


def _not_a_decider(name: str) -> None:
    @spoils(f"one of the two is {name}")
    def _(a: Attempt) -> None:
        a.rows[a.random.randrange(2)] = a.row(a.decision(name))


for _one in ("vic", "api", "gone", "nobody"):
    _not_a_decider(_one)


@spoils("an approver was deactivated since")
def _(a: Attempt) -> None:
    name = a.random.choice(["ana", "ben"])
    a.people[name] = Person(name=name, roles=(Role.ADMIN,), active=False)


@spoils("an approver lost the role since")
def _(a: Attempt) -> None:
    name = a.random.choice(["ana", "ben"])
    a.people[name] = Person(name=name, roles=(a.random.choice([Role.VIEWER, Role.API_USER]),))


@spoils("an approver left since")
def _(a: Attempt) -> None:
    del a.people[a.random.choice(["ana", "ben"])]


@spoils("one approval was taken back")
def _(a: Attempt) -> None:
    a.one()["revoked"] = a.now


@spoils("somebody denied it as well")
def _(a: Attempt) -> None:
    a.rows.append(a.row(a.decision("cyd", approve=False)))


@spoils("one of the two denied it, and the row says approved")
def _(a: Attempt) -> None:
    a.rows[1] = a.row(a.decision("ben", approve=False), approve=True)


@spoils("somebody reported it")
def _(a: Attempt) -> None:
    a.rows.append(a.row(a.decision("cyd", approve=False, reason="misuse"), revoked=a.now))


# Factors


@spoils("nobody gave a second factor")
def _(a: Attempt) -> None:
    a.decide("ana", "ben", factors=("api token",))


@spoils("one factor named twice")
def _(a: Attempt) -> None:
    a.decide("ana", "ben", factors=("api token", "api token"))


@spoils("no factor at all")
def _(a: Attempt) -> None:
    a.decide("ana", "ben", factors=())


# Break-glass


def _glass(name: str, who: str = "ana", **changed: Any) -> None:
    @spoils(f"a glass broken {name}")
    def _(a: Attempt) -> None:
        a.decide(who, **{**GLASS, **changed})


_glass("with a backup code", factors=("break-glass", "backup"))
_glass("without a factor", factors=("break-glass",))
_glass("for a short reason", reason="too short")
_glass("for spaces", reason=" " * 40)
_glass("by a viewer", "vic")
_glass("by a program", "api")
_glass("by somebody who left", "gone")
_glass("by another method's name", method="Break-glass")


@spoils("a glass broken where the settings allow none")
def _(a: Attempt) -> None:
    a.decide("ana", **GLASS)
    a.glass = BreakGlass(allowed=False)


@spoils("a glass broken by a role that may not")
def _(a: Attempt) -> None:
    a.decide("ana", **GLASS)
    a.glass = BreakGlass(roles=(Role.ADMIN,))


@spoils("a glass broken at a low tier")
def _(a: Attempt) -> None:
    a.decide("ana", **GLASS)
    a.ask["tier"] = a.random.choice(["T0", "T1", ""])


@spoils("a glass broken by who asked for it")
def _(a: Attempt) -> None:
    a.decide("ana", **GLASS)
    a.ask |= {"requester": "ana", "needs": {**a.ask["needs"], "not_requester": False}}


@spoils("a glass broken by who opened the incident")
def _(a: Attempt) -> None:
    a.decide("dee", **GLASS)


@spoils("a glass broken by who opened the incident, blanked in the plan")
def _(a: Attempt) -> None:
    a.decide("dee", **GLASS)
    a.step["plan"] = _unasked(a)


@spoils("a glass broken too long ago")
def _(a: Attempt) -> None:
    a.decide("ana", **GLASS)
    a.now += a.later()


@spoils("a glass broken, and somebody denied")
def _(a: Attempt) -> None:
    a.decide("ana", **GLASS)
    a.rows.append(a.row(a.decision("ben", approve=False)))


@spoils("a glass broken for what policy refuses")
def _(a: Attempt) -> None:
    a.decide("ana", **GLASS)
    a.policy = a.policy.model_copy(update={"budgets": _spent(a)})


# Policy as it is now


def _spent(a: Attempt) -> dict[str, int]:
    plan = Plan.model_validate(a.step["plan"])
    return {change.request.kind: 0 for change in plan.changes}


@spoils("policy has come to refuse it")
def _(a: Attempt) -> None:
    a.policy = a.policy.model_copy(update={"budgets": _spent(a)})


@spoils("policy has no rule for its tier any more")
def _(a: Attempt) -> None:
    tiers = a.policy.tiers.model_copy(update={"needs": {}})
    a.policy = a.policy.model_copy(update={"tiers": tiers})


@spoils("policy asks for more people now")
def _(a: Attempt) -> None:
    needs = {t: n.model_copy(update={"people": 3}) for t, n in a.policy.tiers.needs.items()}
    tiers = a.policy.tiers.model_copy(update={"needs": needs})
    a.policy = a.policy.model_copy(update={"tiers": tiers})
