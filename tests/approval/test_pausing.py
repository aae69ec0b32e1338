"""Pausing everything needs no code and is loud; going on, and closing what holds something heavy, take one."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from responder.approval.enrolment import Factor
from responder.approval.leasing import Leasing, Proof
from responder.approval.pausing import pause_runner, resume_runner
from responder.approval.settings import ApprovalSettings
from responder.errors import Refused
from responder.people.person import Directory
from responder.policy.judge import Policy
from responder.store.tables import holds, resources
from responder.verbs.context import Kinds
from tests.approval.desk import ORIGIN, PEOPLE, Asked


async def _resume(asked: Asked, who: str, code: str = "", **rules: Any) -> dict[str, Any]:
    settings = ApprovalSettings(**rules)
    return await resume_runner(
        asked.store, asked.ring, ORIGIN, PEOPLE[who], Factor(code=code), settings
    )


async def test_pausing_takes_no_code_and_is_told_loudly(asked: Asked) -> None:
    assert (await pause_runner(asked.store, "ana", "a bad rule"))["paused"]
    assert await asked.told("paused/") == {"security", "escalation"}
    assert len(await asked.audited("paused")) == 1


async def test_going_on_takes_a_second_factor(asked: Asked) -> None:
    await pause_runner(asked.store, "ana", "a bad rule")
    with pytest.raises(Refused, match="ana has no second factor, and this needs one"):
        await _resume(asked, "ana")
    await asked.enrol("ana")
    with pytest.raises(Refused, match="ana: expected a code"):
        await _resume(asked, "ana")
    assert await asked.audited("resumed") == []
    assert not (await _resume(asked, "ana", asked.code("ana")))["paused"]
    assert len(await asked.audited("resumed")) == 1


async def test_the_settings_may_let_it_go_on_without(asked: Asked) -> None:
    assert not (await _resume(asked, "ana", proof_to_resume=False))["paused"]


async def _hold(asked: Asked, tier: str) -> None:
    await asked.ask()
    await asked.begin("a1")
    now = asked.clock.now
    async with asked.store.transaction() as tx:
        await tx.execute(
            insert(resources).values(
                name="r1", point="edge", state="held", base_known=True, outcome="", until=None
            )
        )
        await tx.execute(
            insert(holds).values(
                id="h1", resource="r1", step="IR-1/x/1/1", incident="IR-1", run="IR-1/x/1",
                kind="Block", request={}, summary="s", tier=tier, taken=now,
                until=now + timedelta(hours=1),
            )
        )  # fmt: skip


@pytest.mark.parametrize(
    ("tier", "has", "takes_one"),
    [("T1", True, False), ("T2", True, True), ("T3", True, True), ("T2", False, False)],
)
async def test_closing_takes_what_the_heaviest_that_is_held_does(
    asked: Asked, tier: str, *, has: bool, takes_one: bool
) -> None:
    await _hold(asked, tier)
    if has:
        await asked.enrol("ana")

    def leasing(**rules: Any) -> Leasing:
        return Leasing(
            asked.store, asked.signer, asked.ring, Policy(), Directory(PEOPLE.values()),
            Kinds.of((), (), ()), origin=ORIGIN, rules=ApprovalSettings(**rules),
        )  # fmt: skip

    ana = PEOPLE["ana"]
    await leasing(proof_to_close=False).prove_closing("IR-1", ana, Proof())
    await leasing().prove_closing("IR-2", ana, Proof())
    if not takes_one:
        await leasing().prove_closing("IR-1", ana, Proof())
        return
    with pytest.raises(Refused, match="ana: expected a code"):
        await leasing().prove_closing("IR-1", ana, Proof())
    await leasing().prove_closing("IR-1", ana, Proof(code=asked.code("ana")))
