"""
A person's signed decision, and whether an ask's decisions allow what is about to be done.

The approval service signs; workers check, just before the effect, with the public key only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from responder.approval.settings import BreakGlass
from responder.crypto.signing import Verifier
from responder.digest import Digest
from responder.incident import Frozen
from responder.people.approver_rights import About
from responder.people.person import Directory, Permission
from responder.policy.tiers import Needs

BREAK_GLASS = "break-glass"
GLASS_TIERS = ("T2", "T3")
GLASS_REASON = 10  # characters at least
# What one person alone must prove themselves with; a backup code lies on paper in a drawer.
STRONG = frozenset({"passkey", "totp"})


class Decision(Frozen):
    """What is signed: who decided what about exactly which plan, how sure we are, and until when."""

    ask: str
    digest: Digest
    principal: str
    approve: bool
    method: str
    factors: tuple[str, ...]
    issued: datetime
    expires: datetime  # execute-by, if this approval turns out to be the last that was needed
    nonce: str
    policy: str
    reason: str = ""
    vouched_by: tuple[str, ...] = ()  # whose tickets gave them a second factor just before

    @property
    def people(self) -> frozenset[str]:
        """Who decided, and whose tickets they have their second factor by: one person, for a while."""
        return frozenset({self.principal, *self.vouched_by})

    @property
    def document(self) -> JsonValue:
        """The decision as the plain JSON that the signature is over."""
        document: JsonValue = self.model_dump(mode="json")
        return document


class Signed(Frozen):
    """A decision as it is kept: the document, its signature, and whether it was taken back."""

    document: JsonValue
    signature: str
    revoked: datetime | None = None


@dataclass(frozen=True)
class AskedBy:
    """Who asked for what is decided: *barred* from approving it, or *never_alone* as they decided first."""

    barred: frozenset[str] = frozenset()
    never_alone: frozenset[str] = frozenset()


class Judgement:
    """Checks decisions against the plan, the people and the time."""

    def __init__(
        self, verifier: Verifier, people: Directory, break_glass: BreakGlass | None = None
    ) -> None:
        self._verifier = verifier
        self.people = people
        self._break_glass = break_glass or BreakGlass()

    def objection(
        self,
        ask: Mapping[Any, Any],
        signed: Iterable[Signed],
        *,
        digest: Digest,
        now: datetime,
        begun: bool,
        least: Needs | None = None,
        about: About | None = None,
        asked_by: AskedBy | None = None,
    ) -> str | None:
        """
        Why what *digest* names may not be done on the strength of *signed*, or None if it may.

        *begun* says that the first effect of this very step has already been recorded: the
        step's own retry is then not stopped by execute-by. A denial wins over any number of
        approvals; whoever is no longer active, or no longer allowed to decide, does not count.
        *least* is what the plan's tier needs by policy: the ask's row may say more, never less. One
        person who broke the glass stands for all that are missing, where the settings allow that.
        *about* is what the approvers' teams are judged by; what of it is not known counts against them.
        *asked_by* are the people who asked for it by what *digest* names, and so by what is signed:
        they do not count where nobody may approve their own request.
        """
        if said := _not_approved(ask, digest):
            return said
        needs = _stricter(Needs.model_validate(ask["needs"]), least)
        asked_by = asked_by or AskedBy()
        own = asked_by.barred | {ask["requester"]} if needs.not_requester else frozenset()
        counted: list[Decision] = []
        for kept in signed:
            if not self._verifier.holds(kept.document, kept.signature):
                return f"a decision on ask {ask['id']} is not signed by the approval service"
            decision = Decision.model_validate(kept.document)
            if decision.ask != ask["id"] or decision.digest != digest:
                return f"a decision of {decision.principal} is about another plan"
            if not decision.approve:
                return f"{decision.principal} denied it"
            if not own.isdisjoint(decision.people):
                continue
            if kept.revoked is None and self._counts(decision, about or About.of(ask)):
                counted.append(decision)
        if said := _too_few(counted, needs):
            alone = [one for one in counted if asked_by.never_alone.isdisjoint(one.people)]
            counted = [one for one in alone if self._breaks_glass(one, ask)]
            if not counted:
                return said
        return None if begun else _too_late(counted, ask["execute_by"], now)

    def _counts(self, decision: Decision, about: About) -> bool:
        """Whether who approved may still do so, by role and by team."""
        person = self.people.find(decision.principal)
        if person is None or not person.may(Permission.APPROVALS_DECIDE):
            return False
        return not person.may_not_approve(about)

    def _breaks_glass(self, decision: Decision, ask: Mapping[Any, Any]) -> bool:
        """Whether *decision* alone may stand for a quorum."""
        person = self.people.find(decision.principal)
        return (
            decision.method == BREAK_GLASS
            and ask["tier"] in GLASS_TIERS
            and not STRONG.isdisjoint(decision.factors)
            and len(decision.reason.strip()) >= GLASS_REASON
            and person is not None
            and self._break_glass.may(person)
            and ask["requester"] not in decision.people
        )


def _not_approved(ask: Mapping[Any, Any], digest: Digest) -> str | None:
    if ask["state"] == "revoked":
        return "its approval was taken back"
    if ask["state"] != "approved":
        return f"ask {ask['id']} is {ask['state']}, not approved"
    if ask["digest"] != digest:
        return f"ask {ask['id']} was decided for another plan ({ask['digest'][:12]}…)"
    return None


def _stricter(needs: Needs, least: Needs | None) -> Needs:
    """*needs*, and what *least* asks for beyond it."""
    if least is None:
        return needs
    return needs.model_copy(
        update={
            "people": max(needs.people, least.people),
            "stepped_up": max(needs.stepped_up, least.stepped_up),
            "not_requester": needs.not_requester or least.not_requester,
        }
    )


def people_among(decisions: Iterable[Decision]) -> int:
    """
    How many people gave *decisions*.

    Whoever has a second factor by another's ticket since a short while is nobody beside the other: who
    may give tickets and took somebody's token would else be two.
    """
    given = list(decisions)
    names = {decision.principal for decision in given}
    people: list[set[str]] = []
    for decision in given:
        one = set(decision.people & names)
        same = [others for others in people if not one.isdisjoint(others)]
        people = [others for others in people if one.isdisjoint(others)] + [one.union(*same)]
    return len(people)


def _too_few(counted: Sequence[Decision], needs: Needs) -> str | None:
    approvers = people_among(counted)
    stepped_up = people_among(one for one in counted if len(set(one.factors)) > 1)
    if approvers < needs.people:
        return f"{approvers} of {needs.people} people needed have approved"
    if stepped_up < needs.stepped_up:
        return f"{stepped_up} of {needs.stepped_up} needed gave a second factor"
    return None


def _too_late(counted: Sequence[Decision], stated: datetime | None, now: datetime) -> str | None:
    """
    Whether execute-by has passed: the end of the last approval, by what was signed.

    What the ask's own row states may end it earlier, never later: nobody signed that.
    """
    last = max(counted, key=lambda decision: decision.issued).expires
    execute_by = last if stated is None else min(last, stated)
    return (
        f"execute-by has passed ({execute_by:%H:%M:%S} UTC); ask again"
        if now > execute_by
        else None
    )
