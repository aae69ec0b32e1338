"""A preview reads and judges, and leaves nothing but a line in the audit."""

from datetime import timedelta
from typing import Any

import pytest

from responder.approval.orders import sign_order
from responder.contract import Action, Request
from responder.errors import Refused
from responder.incident import Priority
from responder.plan import Plan
from responder.verbs.previewing import Previewing
from responder.workflows.wire import SignedOrder
from tests.databases import on_both
from tests.verbs.desk import ATTACKER, Desk, block, isolate


def order(desk: Desk, *actions: Action[Any], incident: str | None = None) -> SignedOrder:
    return sign_order(
        desk.signer,
        "ana",
        tuple(Request.of(action) for action in actions),
        incident=incident,
        priority=Priority.P2,
        now=desk.clock.now,
    )


async def preview(desk: Desk, signed: SignedOrder) -> Plan:
    found: Plan = await desk.run("preview/1", Previewing(desk.context).preview, signed)
    return found


@on_both
async def test_the_plan_is_that_of_a_run_and_nothing_is_kept_of_it(desk: Desk) -> None:
    plan = await preview(desk, order(desk, block()))

    assert [(p.point, p.before, p.after) for p in plan.changes[0].points] == [
        ("fra1", False, True),
        ("ams1", False, True),
    ]
    assert (plan.ruling, plan.tier) == ("allow", "T1")
    assert desk.fra.writes == desk.ams.writes == []
    assert await desk.held() == []
    assert [(e.kind, e.actor, e.subject) for e in await desk.audited()] == [
        ("previewed", "ana", f"block {ATTACKER}")
    ]


async def test_it_says_what_policy_would_refuse_and_ask(desk: Desk) -> None:
    plan = await preview(desk, order(desk, isolate("db1"), block("198.51.100.10")))
    by = {change.summary: (change.ruling, change.reason) for change in plan.changes}
    assert by["isolate db1"][0] == "ask"
    assert "protected" in by["isolate db1"][1]
    assert by["block 198.51.100.10"] == (
        "refuse",
        "198.51.100.10/32 is ours (web1); isolate web1 instead",
    )


async def test_within_an_incident_it_is_judged_by_what_its_alerts_name(desk: Desk) -> None:
    await desk.open_run("IR-1", networks=["203.0.113.9"])
    plan = await preview(desk, order(desk, block(), incident="IR-1"))
    assert plan.ruling == "ask"
    assert "no alert of this incident names it" in plan.reason
    with pytest.raises(Refused, match="IR-9: there is no such incident; nothing was read"):
        await preview(desk, order(desk, block(), incident="IR-9"))


async def test_a_silent_point_is_shown_as_unknown(desk: Desk) -> None:
    desk.ams.down = True
    plan = await preview(desk, order(desk, block()))
    assert [(p.point, p.known) for p in plan.changes[0].points] == [("fra1", True), ("ams1", False)]


async def test_an_order_that_serve_did_not_sign_reads_nothing_and_raises_the_alarm(
    desk: Desk,
) -> None:
    signed = order(desk, block())
    assert isinstance(signed.document, dict)
    forged = SignedOrder(document={**signed.document, "by": "ben"}, signature=signed.signature)
    with pytest.raises(Refused, match="not signed by the approval service; nothing was read"):
        await preview(desk, forged)
    assert desk.fra.reads == 0
    assert [m.loud for m in await desk.messages("forged/")] == [True]


async def test_an_order_is_good_for_a_minute(desk: Desk) -> None:
    signed = order(desk, block())
    desk.clock.advance(seconds=61)
    with pytest.raises(Refused, match="it ended at"):
        await preview(desk, signed)
    assert desk.fra.reads == 0


async def test_a_signed_decision_is_no_order(desk: Desk) -> None:
    signed = order(desk, block())
    assert isinstance(signed.document, dict)
    document = {**signed.document, "purpose": "decision"}
    other = SignedOrder(document=document, signature=desk.signer.sign(document))
    with pytest.raises(Refused, match="signed for 'decision', not for a preview"):
        await preview(desk, other)


async def test_a_request_that_nobody_knows_is_refused(desk: Desk) -> None:
    signed = sign_order(
        desk.signer,
        "ana",
        (Request(kind="Explode", params={}),),
        incident=None,
        priority=Priority.P1,
        now=desk.clock.now - timedelta(seconds=1),
    )
    with pytest.raises(Refused, match="no such action"):
        await preview(desk, signed)
