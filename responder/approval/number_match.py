"""
Number match: at T3 the approver types two digits that stand only where the plan is read.

Whoever approves a notification without looking does not know them (CISA, "Implementing Number
Matching in MFA Applications", 2022). Three wrong ones end that person's part in that ask.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import select, update

from responder.audit import Entry, append
from responder.errors import Refused
from responder.policy.tiers import Needs
from responder.store import Store, Transaction
from responder.store.factors import number_tries
from responder.store.rows import insert_new
from responder.verbs.telling import tell

_LEAST, _BELOW = 10, 100
_MOST_WRONG = 3


def number_for(needs: Needs) -> int | None:
    """The number of a new ask, 10 to 99; None where none is needed."""
    return _LEAST + secrets.randbelow(_BELOW - _LEAST) if needs.number_match else None


async def check(
    store: Store, ask: Mapping[Any, Any], principal: str, number: int | None, now: datetime
) -> None:
    """
    Compare *number* with the ask's, or raise `Refused`; a wrong one is counted and audited.

    An ask that needs a number and has none is approved by nobody.
    """
    name = ask["id"]
    if number is None:
        raise Refused(
            f"ask {name} is {ask['tier']}: approving it needs its number, which stands where its plan is "
            f"read\n\nhint: responder approvals show {name}"
        )
    async with store.transaction() as tx:
        wrong = await _wrong_so_far(tx, name, principal)
        good = wrong < _MOST_WRONG and ask["number"] is not None and number == ask["number"]
        if not good and wrong < _MOST_WRONG:
            wrong += 1
            await _count(tx, ask, principal, wrong, now)
    if good:
        return
    if left := _MOST_WRONG - wrong:
        raise Refused(
            f"that is not the number of ask {name}: read its plan again; {left} more of your numbers are "
            "looked at"
        )
    raise Refused(
        f"{principal} gave {_MOST_WRONG} wrong numbers for ask {name} and can no longer approve it; "
        "somebody else can"
    )


async def _wrong_so_far(tx: Transaction, ask: str, principal: str) -> int:
    this = (number_tries.c.ask == ask, number_tries.c.principal == principal)
    query = select(number_tries.c.wrong).where(*this).with_for_update()
    return (await tx.execute(query)).scalar_one_or_none() or 0


async def _count(
    tx: Transaction, ask: Mapping[Any, Any], principal: str, wrong: int, now: datetime
) -> None:
    name, incident = ask["id"], ask["incident"]
    row = {"ask": name, "principal": principal, "wrong": wrong}
    if not await insert_new(tx, number_tries, row):
        this = (number_tries.c.ask == name, number_tries.c.principal == principal)
        await tx.execute(update(number_tries).where(*this).values(wrong=wrong))
    data: dict[str, JsonValue] = {"wrong": wrong, "most": _MOST_WRONG}
    entry = Entry(
        kind="wrong number", actor=principal, subject=f"ask {name}", incident=incident, data=data
    )
    await append(tx, now, entry)
    if wrong == _MOST_WRONG:
        await tell(
            tx,
            now,
            key=f"wrong number/{name}/{principal}",
            audience="security",
            incident=incident,
            loud=True,
            subject=f"{incident}: {principal} gave {wrong} wrong numbers for ask {name}",
            body="They can no longer approve it. Somebody may be approving what they did not look at, "
            "or acting in their name: ask them.",
        )
