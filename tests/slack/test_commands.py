"""`/ir`: the same verbs, typed."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from responder.slack.commands import COMMANDS
from responder.store.tables import holds, settings_now
from responder.store.watching import notes
from tests.slack.desk import Desk
from tests.slack.strict import faults
from tests.slack.test_deciding import ONE_CLICK, T1


def test_the_page_for_people_on_call_lists_every_verb() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "approve-in-slack.md").read_text()
    for verb, command in COMMANDS.items():
        assert f"`/ir {verb} {command.takes}".strip() + "`" in page


async def test_help_lists_every_verb_and_so_does_nothing_at_all(desk: Desk) -> None:
    for text in ("help", "", "  HELP "):
        await desk.command("vic", text)
        [block] = desk.double.responses[-1]["blocks"]
        for verb in COMMANDS:
            assert f"`/ir {verb}" in block["text"]["text"]
        assert faults([block], desk.said) == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("aprove 42", "approve"), ("stats", "status"), ("tke 42", "take"), ("xyzzy", "")],
)
async def test_a_verb_that_is_not_there_is_answered_with_the_nearest(
    desk: Desk, typed: str, meant: str
) -> None:
    await desk.command("ana", typed)
    assert desk.said.startswith(f"There is no /ir {typed.split(maxsplit=1)[0]}: ")
    assert (f"did you mean /ir {meant}?" in desk.said) is bool(meant)


@pytest.mark.parametrize("named", ["IR-42", "ir-42", "42", "042"])
async def test_an_incident_is_named_by_its_number_or_the_end_of_it(desk: Desk, named: str) -> None:
    await desk.open()
    await desk.command("vic", f"status {named}")
    assert desk.said.startswith("P1 IR-42: Possible C2 from web-3")
    blocks = desk.double.responses[-1]["blocks"]
    assert faults(blocks, desk.said) == []
    assert "approve" not in [one["action_id"] for block in blocks for one in block.get("elements", [])
                             if "action_id" in one]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("status IR-41", "There is no incident IR-41: did you mean IR-42?"),
        ("status 99", "There is no incident 99; /ir status lists what is open"),
        (
            "take",
            "Expected the number of an incident, such as INC-2026-0042; /ir status lists them",
        ),
        ("note 42", "IR-42: expected a note, found nothing to write down"),
        ("extend 42 soon", "Expected how much longer, such as 30m, 2h or 1d, found 'soon'"),
        ("extend 42 0h", "Expected how much longer, such as 30m, 2h or 1d, found '0h'"),
        ("extend 42", "Expected how much longer, such as 30m, 2h or 1d, found ''"),
        ("undo 42", "Nothing was done: nothing live is held by IR-42"),
        (
            "extend 42 \N{FULLWIDTH DIGIT TWO}h",
            "Expected how much longer, such as 30m, 2h or 1d, found '\N{FULLWIDTH DIGIT TWO}h'",
        ),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(desk: Desk, text: str, said: str) -> None:
    await desk.open()
    await desk.command("ben", text)
    assert desk.said == said


async def test_status_lists_what_is_open(desk: Desk) -> None:
    await desk.command("vic", "status")
    assert desk.said == "No incident is open"
    await desk.open()
    await desk.command("vic", "status")
    assert "`IR-42` Possible C2 from web-3" in str(desk.double.responses[-1]["blocks"])


async def test_approve_shows_the_plan_even_where_a_click_would_do(desk: Desk) -> None:
    await desk.open(of=T1, needs=ONE_CLICK)
    await desk.command("ana", "approve 42")
    assert await desk.count() == 0
    assert "203.0.113.9" in desk.shown("ana")
    await desk.send("ana")
    assert (await desk.ask())["state"] == "approved"
    await desk.command("ben", "deny 42")
    assert desk.said == "Nothing was done: nothing of IR-42 waits for a decision"


async def test_deny_and_a_reason(desk: Desk) -> None:
    await desk.open()
    await desk.command("ben", "deny 42")
    await desk.send("ben", reason="no")
    assert (await desk.ask())["state"] == "denied"


async def test_a_note_is_seen_by_everybody_in_the_thread(desk: Desk) -> None:
    ts = await desk.open()
    await desk.command("ana", "note 42 the shop is <!channel> *down*")
    async with desk.store.reading() as tx:
        [note] = (await tx.execute(select(notes.c.by, notes.c.text))).all()
    assert tuple(note) == ("ana", "the shop is <!channel> *down*")
    await desk.wire.keep()
    [log] = desk.double.replies(ts)
    assert (
        "ana: the shop is &lt;!channel&gt; \N{ASTERISK OPERATOR}down\N{ASTERISK OPERATOR}"
        in str(log["blocks"])
    )


async def test_extend_shows_the_new_end_and_holds_until_then(desk: Desk) -> None:
    await desk.open()
    await desk.enrol("ana")
    await desk.set(state="denied", decided=desk.clock.now)
    await desk.hold()
    await desk.command("ana", "extend 42 2h")
    assert "reverts itself at 18:00 UTC then" in desk.shown("ana")
    await desk.send("ana", code=desk.code("ana"))
    async with desk.store.reading() as tx:
        ends = set((await tx.execute(select(holds.c.until))).scalars())
    assert ends == {desk.clock.now + timedelta(hours=6)}


async def test_pause_and_resume(desk: Desk) -> None:
    await desk.enrol("ben")
    for text, paused in (("pause a bad rule", True), ("resume", True), ("resume CODE", False)):
        await desk.command("ben", text.replace("CODE", desk.code("ben")))
        async with desk.store.reading() as tx:
            row = (await tx.execute(select(settings_now.c.value))).scalar_one()
        assert row["paused"] is paused
        assert row["by"] == "ben"
    assert await desk.kinds() == ["paused", "resumed"]


@pytest.mark.parametrize(
    "text",
    [
        "approve 42",
        "deny 42",
        "take 42",
        "note 42 x",
        "extend 42 2h",
        "undo 42",
        "pause x",
        "resume",
    ],
)
async def test_a_viewer_may_look_and_do_nothing(desk: Desk, text: str) -> None:
    await desk.open()
    await desk.hold()
    before = await desk.kinds()
    await desk.command("vic", text)
    assert desk.said.startswith("vic may not ")
    assert (await desk.kinds(), desk.double.views) == (before, {})


@pytest.mark.parametrize("text", [*COMMANDS, "status 42"])
async def test_nobody_unmapped_does_anything_not_even_look(desk: Desk, text: str) -> None:
    await desk.open()
    await desk.command("gone", f"{text} 42")
    assert desk.said.startswith("Nothing was done: gone is not active here")
