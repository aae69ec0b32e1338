"""Break-glass: one person, a strong factor and a reason; the CISO at once, a review within a day."""

import asyncio
import time
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import insert, select, update

from responder.approval import backup_codes
from responder.approval.attention import Attention
from responder.approval.break_glass import Breaking, Glass
from responder.approval.decision import Decision, Judgement, Signed
from responder.approval.reviewing import Finding, Review, listed, review
from responder.approval.settings import ApprovalSettings, BreakGlass
from responder.audit import verify
from responder.errors import Refused
from responder.people.person import Directory, Person, Role
from responder.policy.judge import Policy
from responder.store.paging import pages
from responder.store.tables import asks, audit, messages, runs
from tests.approval.desk import DIGEST, ONE, ORIGIN, PEOPLE, TWO, Asked
from tests.approval.test_fatigue import Bombing
from tests.databases import on_both

RULES = BreakGlass()
REASON = "ransomware spreads and ben's phone is off"
CISO = Person(name="root", roles=(Role.VIEWER,), teams=("CISO",), email="root@example.com")


def glass(asked: Asked, rules: BreakGlass = RULES) -> Glass:
    return Glass(asked.store, asked.signer, asked.ring, Policy(), rules, ORIGIN)


async def t3(asked: Asked, **values: Any) -> None:
    """An ask of T3 that needs two people, of a run of an incident."""
    await asked.ask(needs=TWO)
    await asked.enrol("ana", "ben")
    now = asked.clock.now
    async with asked.store.transaction() as tx:
        plan = {"changes": [{"summary": "isolate db1"}]}
        await tx.execute(update(asks).values({"tier": "T3", "plan": plan, **values}))
        row = {"id": "IR-1/x/1", "incident": "IR-1", "number": 1, "playbook": "X", "code": "",
               "indicators": {}, "state": "open", "opened": now}  # fmt: skip
        await tx.execute(insert(runs).values(row))


async def smash(
    asked: Asked, who: str = "ana", *, rules: BreakGlass = RULES, **changed: Any
) -> tuple[Any, str]:
    given = {"reason": REASON, "digest": DIGEST, "code": asked.code("ana")} | changed
    return await glass(asked, rules).break_glass("a1", PEOPLE[who], Breaking.model_validate(given))


async def objection(asked: Asked, rules: BreakGlass = RULES, people: Any = PEOPLE) -> str | None:
    judgement = Judgement(asked.signer.verifier, Directory(people.values()), rules)
    return judgement.objection(
        await asked.row("a1"),
        await asked.signed("a1"),
        digest=DIGEST,
        now=asked.clock.now,
        begun=False,
    )


@on_both
async def test_one_person_approves_and_the_worker_accepts_it_in_the_quorums_place(
    asked: Asked,
) -> None:
    await t3(asked)
    ask, _ = await smash(asked)
    assert ask["state"] == "approved"
    (signed,) = await asked.signed("a1")
    decision = Decision.model_validate(signed.document)
    assert (decision.method, decision.factors) == ("break-glass", ("break-glass", "totp"))
    assert (decision.reason, decision.digest) == (REASON, DIGEST)
    assert await objection(asked) is None
    (kind,) = [e for e in await _kinds(asked) if e == "glass broken"]
    assert kind
    assert (await verify(asked.store))[1] is None


async def test_who_approved_and_waits_for_another_may_still_break_it(asked: Asked) -> None:
    await t3(asked)
    assert (await asked.decide("a1", "ana"))["state"] == "open"
    asked.clock.advance(seconds=30)
    assert (await smash(asked))[0]["state"] == "approved"
    assert len(await asked.signed("a1")) == 1, "one decision a person"
    assert await objection(asked) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"code": ""}, "expected a code", id="no factor"),
        pytest.param({"code": "000000x"}, "does not match", id="a wrong code"),
        pytest.param({"digest": "cd" * 32}, "look again", id="another plan"),
        pytest.param({"reason": "          "}, "expected a reason", id="a blank reason"),
        pytest.param({"who": "vic"}, "may not break the glass", id="a viewer"),
        pytest.param({"who": "api"}, "may not break the glass", id="a program"),
        pytest.param({"who": "gone"}, "may not break the glass", id="somebody who left"),
        pytest.param({"rules": BreakGlass(allowed=False)}, "allow nobody", id="switched off"),
        pytest.param(
            {"rules": BreakGlass(roles=(Role.ADMIN,))}, "role admin may", id="another role"
        ),
    ],
)
async def test_it_is_refused_and_nothing_is_recorded(
    asked: Asked, changed: dict[str, Any], said: str
) -> None:
    await t3(asked)
    with pytest.raises(Refused, match=said):
        await smash(asked, **changed)
    assert (await asked.row("a1"))["state"] == "open"
    assert await asked.signed("a1") == []
    assert await listed(asked.store, everything=True) == []


async def test_a_backup_code_does_not_break_it(asked: Asked) -> None:
    await t3(asked)
    code, *_ = await backup_codes.renew(asked.store, asked.ring, "ana", "ben", asked.clock.now)
    with pytest.raises(Refused, match="a backup code does not break the glass"):
        await smash(asked, code=code)
    assert await asked.signed("a1") == []
    async with asked.store.reading() as tx:
        assert await backup_codes.left(tx, "ana") == backup_codes.CODES, "it is not used up"


@pytest.mark.parametrize("values", [{"tier": "T1"}, {"state": "denied"}, {"requester": "ana"}])
async def test_only_an_open_ask_of_a_high_tier_that_somebody_else_requested(
    asked: Asked, values: dict[str, str]
) -> None:
    await t3(asked, **values, decided=asked.clock.now)
    with pytest.raises(Refused):
        await smash(asked)
    assert await asked.signed("a1") == []


async def test_what_one_person_can_approve_as_ever_needs_no_broken_glass(asked: Asked) -> None:
    await t3(asked, needs=ONE.model_dump(mode="json"), tier="T2")
    with pytest.raises(Refused, match="lacks nobody but you: approve it as ever"):
        await smash(asked)


def test_a_reason_of_nine_characters_is_none() -> None:
    with pytest.raises(ValidationError, match="at least 10 characters"):
        Breaking(reason="too short", digest=DIGEST)


async def test_a_denial_wins_over_a_broken_glass(asked: Asked) -> None:
    await t3(asked)
    await smash(asked)
    denial = Decision(
        ask="a1", digest=DIGEST, principal="ben", approve=False, method="cli", factors=("cli",),
        issued=asked.clock.now, expires=asked.clock.now, nonce="1", policy="p",
    )  # fmt: skip
    signed = [*await asked.signed("a1"),
              Signed(document=denial.document, signature=asked.signer.sign(denial.document))]  # fmt: skip
    assert await asked.objection("a1", signed=signed) == "ben denied it"


@pytest.mark.parametrize(
    "change", ["off", "left", "role", "weak", "method", "reason", "tier", "late"]
)
async def test_a_worker_does_not_believe_a_glass_that_policy_would_not_have(
    asked: Asked, change: str
) -> None:
    """Signed as it is: what the settings, the people or the document itself lack still counts."""
    await t3(asked)
    await smash(asked)
    rules, people, now = RULES, dict(PEOPLE), asked.clock.now
    signed, ask = await asked.signed("a1"), dict(await asked.row("a1"))
    decision = Decision.model_validate(signed[0].document)
    changed: dict[str, Any] = {}
    match change:
        case "off":
            rules = BreakGlass(allowed=False)
        case "left":
            people["ana"] = Person(name="ana", roles=(Role.OPERATOR,), active=False)
        case "role":
            people["ana"] = Person(name="ana", roles=(Role.VIEWER,))
        case "weak":
            changed = {"factors": ("break-glass", "backup-code")}
        case "method":
            changed = {"method": "api token"}
        case "reason":
            changed = {"reason": "because"}
        case "tier":
            ask["tier"] = "T1"
        case "late":
            now = decision.expires.replace(year=decision.expires.year + 1)
    if changed:
        other = decision.model_copy(update=changed)
        signed = [Signed(document=other.document, signature=asked.signer.sign(other.document))]
    judgement = Judgement(asked.signer.verifier, Directory(people.values()), rules)
    said = judgement.objection(ask, signed, digest=DIGEST, now=now, begun=False)
    assert said is not None
    assert "of 2 people needed" in said or "execute-by has passed" in said


@on_both
async def test_the_drill_one_person_acts_and_the_ciso_hears_of_it(
    asked: Asked, record_property: Any
) -> None:
    """Within two minutes to act, within sixty seconds to the CISO: measured with the real outbox."""
    await t3(asked)
    bombing = Bombing(asked, CISO, PEOPLE["ana"])
    outbox = asyncio.create_task(bombing.outbox.run())
    started = time.monotonic()
    try:
        await smash(asked)
        acted = time.monotonic() - started
        assert await objection(asked) is None
        while not bombing.mailbox.reached("root", "glass/"):
            assert time.monotonic() - started < 60
            await asyncio.sleep(0.01)
        heard = time.monotonic() - started
    finally:
        outbox.cancel()
        await asyncio.gather(outbox, return_exceptions=True)
    record_property("acted_seconds", acted)
    record_property("ciso_heard_seconds", heard)
    assert acted <= 120
    assert heard <= 60
    ((_, _, message),) = [got for got in bombing.mailbox.got if got[2].key.startswith("glass/")]
    assert "P2 IR-1: ana broke the glass: isolate db1" in message.subject
    for words in (REASON, "responder approvals review", "responder pages ack"):
        assert words in message.body


async def test_it_is_paged_again_and_then_said_to_be_unanswered(asked: Asked) -> None:
    await t3(asked)
    await smash(asked)
    attention = Attention(asked.store, Directory([CISO]), ApprovalSettings())
    for _ in range(4):
        asked.clock.advance(minutes=5)
        await attention.once()
    said = await _messages(asked, "break-glass/")
    assert [m.audience for m in said] == ["CISO", "CISO", "escalation"]
    assert "UNANSWERED by CISO" in said[-1].subject


async def test_who_takes_the_page_is_not_paged_again(asked: Asked) -> None:
    await t3(asked)
    await smash(asked)
    async with asked.store.transaction() as tx:
        await tx.execute(update(pages).values(acknowledged=asked.clock.now))
    asked.clock.advance(minutes=6)
    await Attention(asked.store, Directory([CISO]), ApprovalSettings()).once()
    assert await _messages(asked, "break-glass/") == []


async def test_somebody_else_reviews_it(asked: Asked) -> None:
    await t3(asked)
    _, name = await smash(asked)
    found = Review(verdict=Finding.JUSTIFIED, reason="it was")
    for who, said in (("ana", "somebody else reviews it"), ("cyd", "cyd is neither")):
        with pytest.raises(Refused, match=said):
            await review(asked.store, name, PEOPLE[who], found, team="CISO")
    row = await review(asked.store, name, CISO, found, team="CISO")
    assert (row["reviewer"], row["verdict"]) == ("root", "justified")
    with pytest.raises(Refused, match="was reviewed by root: justified"):
        await review(asked.store, name, PEOPLE["ben"], found, team="CISO")
    assert await listed(asked.store, everything=False) == []
    assert "glass reviewed" in await _kinds(asked)


async def test_misuse_is_told_to_security_aloud(asked: Asked) -> None:
    await t3(asked)
    _, name = await smash(asked)
    found = Review(verdict=Finding.MISUSED, reason="ben was at his desk")
    await review(asked.store, name, PEOPLE["ben"], found, team="CISO")
    (said,) = await _messages(asked, "misused/")
    assert (said.audience, said.loud) == ("security", True)
    assert "ben was at his desk" in said.body


async def test_a_review_that_nobody_makes_is_told_aloud_once(asked: Asked) -> None:
    await t3(asked)
    await smash(asked)
    attention = Attention(asked.store, Directory([CISO]), ApprovalSettings())
    asked.clock.advance(hours=24)
    for _ in range(3):
        await attention.once()
        asked.clock.advance(hours=1)
    said = await _messages(asked, "review/")
    assert [(m.audience, m.loud) for m in said] == [("escalation", True), ("CISO", True)]
    assert (await _kinds(asked)).count("review overdue") == 1


async def _messages(asked: Asked, start: str) -> list[Any]:
    async with asked.store.reading() as tx:
        query = select(messages).where(messages.c.key.like(f"{start}%")).order_by(messages.c.id)
        return list((await tx.execute(query)).all())


async def _kinds(asked: Asked) -> list[str]:
    async with asked.store.reading() as tx:
        return list((await tx.execute(select(audit.c.kind).order_by(audit.c.seq))).scalars())
