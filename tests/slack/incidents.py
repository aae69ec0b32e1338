"""Incidents as `responder.standing.whole` tells them, in every state that a card shows."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

from activities.block import Block
from activities.isolate import Isolate
from responder.contract import Action, Request
from responder.incident import Indicators
from responder.plan import Blast, Change, Plan, PointPlan
from responder.policy.tiers import Ruling, Tier, TierRules

NOW = datetime(2026, 3, 4, 14, 5, tzinfo=UTC)
LINK = "https://responder.example.com"
RUN = "IR-42/ransomware/1"
BUTTONS = {name: f"{name:0<32}"[:32] for name in ("approve", "deny", "report", "take", "undo")}


def change(
    action: Action[Any], *points: str, tier: Tier = Tier.T2, before: Any = False, after: Any = True
) -> Change:
    """One action at some points."""
    return Change(
        request=Request.of(action),
        summary=str(action),
        points=tuple(
            PointPlan(point=one, resource=f"{one}/{action}", before=before, after=after)
            for one in points
        ),
        lasts=action.lasts,
        reversible=action.reversible,
        tier=tier,
        ruling=Ruling.ASK,
    )


ISOLATE = change(
    Isolate(host="web-3", lasts=timedelta(hours=24)), "hv1",
    before="open", after="cut off, kept: 10.20.0.5 (bastion)",
)  # fmt: skip


def block(number: int = 9) -> Change:
    """One address blocked at both edges."""
    network = ip_network(f"203.0.113.{number}/32")
    return change(Block(network=network), "fra1", "ams1", tier=Tier.T1)


def plan(*changes: Change, tier: Tier = Tier.T2, **more: Any) -> Plan:
    """A plan of *changes*."""
    seen = Indicators()
    return Plan(
        **{
            "incident": "IR-42", "run": RUN, "step": 1, "playbook": "Ransomware", "code": "a1b2c3d" * 9,
            "changes": changes, "touches": seen, "blast": Blast(hosts=1, networks=1), "tier": tier,
            "ruling": Ruling.ASK, "reason": "isolating a host is T2", "policy": "p", "at": NOW,
        } | more
    )  # fmt: skip


DEFAULT = plan(ISOLATE, block())


def plain(of: Plan | dict[str, Any]) -> dict[str, Any]:
    """A plan as rows have it; generated ones are that already."""
    return of if isinstance(of, dict) else of.model_dump(mode="json")


def digest(of: Plan | dict[str, Any]) -> str:
    """A plan's digest; a generated one's is anybody's guess."""
    return "d" * 64 if isinstance(of, dict) else of.digest


def ask(of: Plan | dict[str, Any] = DEFAULT, **more: Any) -> dict[str, Any]:
    """An ask about a plan, with what people read of its progress."""
    shown = plain(of)
    tier = Tier(shown["tier"])
    needs = TierRules().asked(tier).model_dump(mode="json")
    return {
        "id": "7c1f2e9a4b6d8035", "step": f"{RUN}/1", "incident": "IR-42", "run": RUN,
        "digest": digest(of), "plan": shown, "tier": tier.value,
        "needs": needs, "requester": "playbook Ransomware", "state": "open",
        "opened": (NOW - timedelta(minutes=3)).isoformat(),
        "expires": (NOW + timedelta(minutes=12)).isoformat(), "decided": None, "execute_by": None,
        "number": 47 if tier is Tier.T3 else None, "progress": "Waiting",
        "progress_word": "waiting",
    } | more  # fmt: skip


def decided(state: str, word: str, text: str, of: Plan = DEFAULT) -> dict[str, Any]:
    """An ask that has ended."""
    at = (NOW - timedelta(minutes=1)).isoformat()
    return ask(of, state=state, decided=at, progress_word=word, progress=text)


def hold(change_: Change, point: str, outcome: str = "verified", **more: Any) -> dict[str, Any]:
    """A hold on one resource."""
    return {
        "id": f"{RUN}/1/0/{point}", "resource": f"{change_.summary.replace(' ', '/')}@{point}",
        "incident": "IR-42", "summary": change_.summary, "tier": "T2", "point": point,
        "taken": NOW.isoformat(), "until": (NOW + timedelta(hours=24)).isoformat(), "ended": None,
        "ended_by": None, "outcome": outcome, "state": "held", "said": "",
    } | more  # fmt: skip


HELD = (hold(ISOLATE, "hv1"), hold(block(), "fra1"), hold(block(), "ams1"))


def clock(name: str, minutes: float, **more: Any) -> dict[str, Any]:
    """A clock that is due in some minutes."""
    due = NOW + timedelta(minutes=minutes)
    return {"incident": "IR-42", "clock": name, "started": NOW.isoformat(), "due": due.isoformat(),
            "met": None, "breached": None} | more  # fmt: skip


def incident(
    *asks: dict[str, Any], of: Plan | dict[str, Any] | None = DEFAULT, **more: Any
) -> dict[str, Any]:
    """The whole of an incident."""
    steps = [{"key": f"{RUN}/1", "run": RUN, "plan": plain(of),
              "digest": digest(of), "state": "asked", "said": ""}] if of else []  # fmt: skip
    runs = [{"id": RUN, "number": 1, "playbook": "Ransomware", "code": "a1b2c3d" * 9,
             "state": "open"}] if of else []  # fmt: skip
    return {
        "id": "IR-42", "title": "Possible C2 from web-3: beacon to 203.0.113.9 every 60 s",
        "priority": "P1", "category": "ransomware", "subject": "web-3",
        "opened": (NOW - timedelta(minutes=4)).isoformat(), "status": "waiting for approval",
        "owner": None, "acknowledged": None, "contained": None, "closed": None,
        "indicators": {"networks": ["203.0.113.9/32"], "hosts": ["web-3"], "accounts": []},
        "clocks": [clock("acknowledge", 1), clock("contain", 11), clock("resolve", 236)],
        "runs": runs, "steps": steps, "asks": list(asks), "holds": [],
        "alerts": [{"id": n, "source": n} for n in ("wazuh", "guardduty", "zeek")],
        "messages": [], "notes": [],
    } | more  # fmt: skip


def owned(**more: Any) -> dict[str, Any]:
    """What changes when ana has taken it."""
    met = NOW.isoformat()
    return {
        "owner": "ana", "acknowledged": met,
        "clocks": [clock("acknowledge", 1, met=met), clock("contain", 11), clock("resolve", 236)],
    } | more  # fmt: skip


MANY = plan(
    *(change(Block(network=ip_network((0xC6336400 + n, 32))), "fra1", "ams1", "sin1", "feed", "waf")
      for n in range(500)),
    tier=Tier.T3, blast=Blast(networks=500), reason="500 changes at once are T3",
)  # fmt: skip
NOTE = {
    "at": "2026-03-04T14:03:00+00:00",
    "by": "ana",
    "text": "web-3 runs the checkout; ben knows.",
}

GOLDEN: dict[str, dict[str, Any]] = {
    "p1-waiting": incident(ask(), notes=[NOTE]),
    "t3-half-approved": incident(
        ask(plan(ISOLATE, block(), tier=Tier.T3, reason="web-3 is protected: payment",
                 blast=Blast(hosts=1, networks=1, protected=("web-3",))),
            progress="Waiting for 1 more, recorded by ana",
            decisions=[{"principal": "ana", "approve": True}]),
        **owned(),
    ),
    "recorded": incident(
        decided("approved", "recorded", "Recorded by ana"),
        progress_word="recorded", progress="Recorded by ana", **owned(),
    ),
    "running": incident(
        decided("approved", "running", "Running 2/3"), status="responding",
        progress_word="running", progress="Running 2/3",
        holds=[*HELD[:2], hold(block(), "ams1", "pending")], **owned(),
    ),
    "contained": incident(
        decided("approved", "contained", "Contained 14:09"), status="contained",
        progress_word="contained", progress="Contained 14:09", holds=list(HELD),
        **owned(contained=NOW.isoformat(), clocks=[clock("resolve", 232)]),
    ),
    "partial": incident(
        decided("approved", "not-contained", "Partly contained 1/2"), status="partly contained",
        progress_word="not-contained", progress="Partly contained 1/2",
        holds=[*HELD[:2], hold(block(), "ams1", "failed", said="no route to host")],
        **owned(clocks=[clock("contain", -3, breached=NOW.isoformat()), clock("resolve", 232)]),
    ),
    "undone": incident(
        decided("approved", "undone", "Undone 15:00"), status="closed: false_positive",
        progress_word="undone", progress="Undone 15:00",
        holds=[h | {"ended": NOW.isoformat(), "ended_by": "ana"} for h in HELD],
        **owned(closed=NOW.isoformat(), clocks=[]),
    ),
    "expired": incident(
        decided("expired", "expired", "Expired 14:04, nothing was done"), status="NOT CONTAINED",
        progress_word="not-contained", progress="NOT CONTAINED",
    ),
    "denied": incident(
        decided("denied", "denied", "Denied by ben"), status="NOT CONTAINED",
        progress_word="not-contained", progress="NOT CONTAINED", **owned(),
    ),
    "no-playbook": incident(
        of=None, status="unanswered", category="data_leak", title="A share of HR was read by a contractor",
        progress_word="not-contained", progress="NOT CONTAINED: no playbook answers it",
        indicators={"networks": [], "hosts": ["files-1"], "accounts": ["svc_backup"]}, subject="files-1",
    ),
    "500-targets": incident(
        ask(MANY), of=MANY, title="Botnet logs in with stolen passwords", priority="P2",
        **owned(clocks=[clock("contain", 47), clock("resolve", 460)]),
    ),
}  # fmt: skip
