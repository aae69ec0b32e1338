"""How far an incident is contained, from rows alone: here and nowhere else."""

from responder.plan import Outcome
from responder.policy.tiers import Tier
from responder.standing.facts import Facts
from responder.store.rows import Row

_UNDER_WAY = ("planned", "asked", "carrying")


def shown(facts: Facts) -> str:
    """The incident's state as people read it: what waits for them comes before how it stands."""
    if facts.open_asks:
        return "waiting for approval"
    if any(step["state"] in _UNDER_WAY for step in facts.steps):
        return "responding"
    return judged(facts)


def judged(facts: Facts) -> str:
    """
    How far the incident is contained.

    A further ask that waits does not undo it: the clock stops when what a run calls its containment
    is verified. Once every hold has ended it is released, whatever was contained before.
    """
    if not facts.runs:
        return "unanswered"
    held = containing(facts)
    good = [hold for hold in held if hold["outcome"] == Outcome.VERIFIED]
    bad = [hold for hold in held if hold["outcome"] != Outcome.VERIFIED]
    if bad:
        if all(hold["outcome"] == Outcome.PENDING for hold in bad):
            return "responding"
        return "partly contained" if good else "NOT CONTAINED"
    if any(_not_done(step, facts) for step in facts.steps if not _only_reads(step)):
        return "partly contained" if good else "NOT CONTAINED"
    if all(run["contained"] is not None for run in facts.runs):
        if held or not facts.released:
            return "contained"
        made = any(hold["outcome"] == Outcome.VERIFIED for hold in facts.released)
        return "released" if made else "NOT CONTAINED"
    if any(run["state"] == "failed" for run in facts.runs):
        return "NOT CONTAINED"
    return "responding"


def containing(facts: Facts) -> list[Row]:
    """The holds that still live and keep something from going on, as evidence and monitoring do not."""
    reading = {step.get("key") for step in facts.steps if _only_reads(step)}
    return [hold for hold in facts.held if not reading or hold.get("step") not in reading]


def _only_reads(step: Row) -> bool:
    """Whether a step took evidence or looked more closely, or tried to: neither contains anything."""
    changes = (step.get("plan") or {}).get("changes", ())
    return bool(changes) and all(change.get("tier") == Tier.T0 for change in changes)


def _not_done(step: Row, facts: Facts) -> bool:
    """Whether a step lacks something that its run counts as containment: what was refused before it said so."""
    if step["state"] == "done":
        return bool(step["said"])
    claimed = next((r["contained"] for r in facts.runs if r["id"] == step["run"]), None)
    return (
        step["state"] in ("refused", "drifted")
        and claimed is not None
        and step["finished"] is not None
        and step["finished"] <= claimed
    )
