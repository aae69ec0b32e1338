"""What people changed of a plan before approving it, as it is signed, and a plan's requests after it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import JsonValue, TypeAdapter
from sqlalchemy import select

from responder.contract import Request
from responder.crypto.signing import Verifier
from responder.digest import Digest
from responder.incident import Frozen
from responder.plan import Change, How, Plan, Requester
from responder.store import Transaction
from responder.store.noticing import edits

_LENGTH = TypeAdapter(timedelta)  # written as an action writes it


class Edit(Frozen):
    """What is signed: who wants what otherwise of exactly which plan."""

    purpose: Literal["edit"] = "edit"
    ask: str
    step: str
    digest: Digest
    by: str
    lasts: timedelta | None
    without: tuple[int, ...]
    reason: str
    issued: datetime
    nonce: str

    @property
    def document(self) -> JsonValue:
        """The edit as the plain JSON that the signature is over."""
        document: JsonValue = self.model_dump(mode="json")
        return document

    @property
    def said(self) -> str:
        """Who edited, and why, in a few words."""
        return f"edited by {self.by}: {self.reason}"


class Edited(Frozen):
    """What a plan is made from after its edits: the requests, what is dropped, the words, and who asked."""

    requests: tuple[Request, ...]
    dropped: dict[int, str]
    said: str
    asked_by: tuple[Requester, ...] = ()


def applied(plan: Plan, given: Sequence[Edit]) -> Edited:
    """
    *plan* with the edits *given* applied, the newest last.

    Who had asked for *plan* still has: the newest edit was signed for its digest, so nobody is lost
    with a row. Who edited it asks as well, for what came of it.
    """
    changes = plan.changes
    requests, dropped = [change.request for change in changes], dict[int, str]()
    for edit in given:
        for number in edit.without:
            dropped.setdefault(number - 1, f"dropped by {edit.by}: {edit.reason}")
        if edit.lasts is None:
            continue
        requests = [
            lasting(change, request, edit.lasts) if index not in dropped else request
            for index, (change, request) in enumerate(zip(changes, requests, strict=True))
        ]
    editors = (Requester(name=edit.by, how=How.EDITED) for edit in given)
    return Edited(
        requests=tuple(requests),
        dropped=dropped,
        said=given[-1].said,
        asked_by=tuple(dict.fromkeys((*plan.asked_by, *editors))),
    )


async def read_edits(
    tx: Transaction, verifier: Verifier, ask: Mapping[Any, Any], plan: Plan, step: str
) -> list[Edit] | str:
    """The edits of a step, the last of them *ask*'s, of *plan*; or why they are not to be followed."""
    query = select(edits).where(edits.c.step == step).order_by(edits.c.id)
    given = []
    for row in (await tx.execute(query)).mappings():
        if not verifier.holds(row["document"], row["signature"]):
            return "its edit is not signed by the approval service"
        given.append(Edit.model_validate(row["document"]))
    if not given or (given[-1].ask, given[-1].digest) != (ask["id"], plan.digest):
        return "it is marked as edited, and nobody edited this plan"
    if any(one.step != step for one in given):
        return "its edit is of another step"
    return given


def lasting(change: Change, request: Request, lasts: timedelta) -> Request:
    """*request*, held for *lasts* instead; what cannot be undone has no length."""
    if not change.reversible or "lasts" not in request.params:
        return request
    given = _LENGTH.dump_python(lasts, mode="json")
    return Request(kind=request.kind, params={**request.params, "lasts": given})
