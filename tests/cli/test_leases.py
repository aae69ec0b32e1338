"""`responder leases`: what is asked for, what is shown, and the exit codes."""

import json
from typing import Any

from tests.cli.conftest import Api, Run

LEASE = {
    "hold": "h", "resource": "block/edge/203.0.113.7", "incident": "INC-1", "settled": True,
    "summary": "block 203.0.113.7", "came": "undone at 14:09:03 UTC, and read back",
}  # fmt: skip


def answer(state: str = "approved") -> dict[str, Any]:
    return {"ask": {"id": "a1", "state": state, "tier": "T3"}, "leases": [LEASE]}


def undo(run: Run, api: Api, *more: str, state: str = "approved") -> Any:
    api.body = json.dumps(answer(state))
    return run("leases", *more, "--code", "123456")


def test_undoing_says_what_came_of_each_hold(run: Run, api: Api) -> None:
    said = undo(run, api, "undo", LEASE["resource"])  # type: ignore[arg-type]
    assert said.status == 0
    assert "undone at 14:09:03 UTC, and read back" in said.out


def test_what_a_second_person_must_approve_exits_with_waiting(run: Run, api: Api) -> None:
    said = undo(run, api, "undo", "--hold", "h", state="open")
    assert said.status == 5
    assert "one more person must approve ask a1" in said.err
    assert "responder approvals show a1" in said.err


def test_the_old_name_of_undo_still_works(run: Run, api: Api) -> None:
    assert undo(run, api, "end", "block/edge/203.0.113.7").status == 0
    assert " end " not in run("leases", "--help").out


def test_json_is_what_the_api_answers(run: Run, api: Api) -> None:
    said = undo(run, api, "extend", "block/edge/203.0.113.7", "--by", "2h", "--json")
    assert json.loads(said.out) == answer()


def test_wrong_usage_is_exit_2(run: Run, api: Api) -> None:
    for words in (
        ("undo",),
        ("undo", "a", "--hold", "h"),
        ("extend", "a"),
        ("extend", "a", "--by", "2h", "--until", "2026-11-22T18:00:00Z"),
        ("extend", "a", "--by", "soon"),
    ):
        assert undo(run, api, *words).status == 2, words
