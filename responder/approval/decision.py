"""
A person's signed decision, and whether an ask's decisions allow what is about to be done.

The approval service signs; workers check, just before the effect, with the public key only.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from responder.crypto.signing import Verifier
from responder.digest import Digest
from responder.incident import Frozen
from responder.people.person import Directory, Permission
from responder.policy.tiers import Needs


class Decision(Frozen):
    """What is signed: who decided what about exactly which plan, how sure we are, and until when."""

    ask: str
    digest: Digest
    principal: str
    approve: bool
    method: str
    factors: tuple[str, ...]
    issued: datetime
    expires: datetime
    nonce: str
    policy: str
    reason: str = ""

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


class Judgement:
    """Checks decisions against the plan, the people and the time."""

    def __init__(self, verifier: Verifier, people: Directory) -> None:
        self._verifier = verifier
        self._people = people

    def objection(
        self,
        ask: Mapping[Any, Any],
        signed: Iterable[Signed],
        *,
        digest: Digest,
        now: datetime,
        begun: bool,
    ) -> str | None:
        """
        Why what *digest* names may not be done on the strength of *signed*, or None if it may.

        *begun* says that the first effect of this very step has already been recorded: the
        step's own retry is then not stopped by execute-by. A denial wins over any number of
        approvals; whoever is no longer active, or no longer allowed to decide, does not count.
        """
        if ask["state"] != "approved":
            return f"ask {ask['id']} is {ask['state']}, not approved"
        if ask["digest"] != digest:
            return f"ask {ask['id']} was decided for another plan ({ask['digest'][:12]}…)"
        needs = Needs.model_validate(ask["needs"])
        counted = []
        for kept in signed:
            if not self._verifier.holds(kept.document, kept.signature):
                return f"a decision on ask {ask['id']} is not signed by the approval service"
            decision = Decision.model_validate(kept.document)
            if decision.ask != ask["id"] or decision.digest != digest:
                return f"a decision of {decision.principal} is about another plan"
            if not decision.approve:
                return f"{decision.principal} denied it"
            if kept.revoked is None and self._counts(decision, ask, needs):
                counted.append(decision)
        return _too_few(counted, needs, now=now, begun=begun)

    def _counts(self, decision: Decision, ask: Mapping[Any, Any], needs: Needs) -> bool:
        """Whether who approved may still do so, and is not who asked."""
        person = self._people.find(decision.principal)
        if person is None or not person.may(Permission.APPROVALS_DECIDE):
            return False
        return not (needs.not_requester and decision.principal == ask["requester"])


def _too_few(
    counted: Iterable[Decision], needs: Needs, *, now: datetime, begun: bool
) -> str | None:
    approvers: set[str] = set()
    stepped_up: set[str] = set()
    for decision in counted:
        if not begun and now > decision.expires:
            return f"execute-by has passed ({decision.expires:%H:%M:%S} UTC); ask again"
        approvers.add(decision.principal)
        if len(set(decision.factors)) > 1:
            stepped_up.add(decision.principal)
    if len(approvers) < needs.people:
        return f"{len(approvers)} of {needs.people} people needed have approved"
    if len(stepped_up) < needs.stepped_up:
        return f"{len(stepped_up)} of {needs.stepped_up} needed gave a second factor"
    return None
