"""`responder playbooks` and `responder replay`, as they are typed."""

import json
from pathlib import Path

from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]


def test_the_list_and_one_playbook_are_shown(run: Run) -> None:
    rows = json.loads(run("playbooks", "list", "--json").out)
    assert "authentication_attack" in {row["answers"] for row in rows}
    assert "AuthenticationAttack" in run("playbooks", "list").out
    shown = json.loads(run("playbooks", "show", "authentication_attack", "--json").out)
    [isolate] = [one for one in shown["actions"] if one["name"] == "Isolate"]
    assert (isolate["tier"], isolate["d3fend"]) == ("T2", "D3-NI")
    assert isolate["permissions"]
    assert [ask["actions"] for ask in shown["asks"]] == [["Isolate"]]
    assert "asks T2 for Isolate" in run("playbooks", "show", "AuthenticationAttack").out


def test_a_playbook_that_is_not_there_is_exit_3_with_those_that_are(run: Run) -> None:
    for command in ("show", "graph"):
        said = run("playbooks", command, "nope")
        assert (said.status, said.out) == (3, "")
        assert "no playbook is called 'nope'; known: AccessKeyRotation" in said.err


def test_what_lint_finds_is_exit_1_and_nothing_found_is_exit_0(run: Run, tmp_path: Path) -> None:
    assert run("playbooks", "lint").status == 0
    bad = tmp_path / "bad.py"
    bad.write_text("import boto3\n")
    said = run("playbooks", "lint", "bad.py")
    assert said.status == 1
    assert said.out.startswith("bad.py:1: PB004 imports boto3")
    found = json.loads(run("playbooks", "lint", "bad.py", "--json").out)
    assert [one["rule"] for one in found] == ["PB004"]


def test_a_graph_is_text_or_a_picture_and_not_both(run: Run) -> None:
    assert run("playbooks", "graph", "drill").out.startswith("flowchart TD\n")
    assert run("playbooks", "graph", "drill", "--svg").out.startswith("<svg ")
    assert run("playbooks", "graph", "drill", "--svg", "--mermaid").status == 2


def test_histories_are_replayed(run: Run, tmp_path: Path) -> None:
    said = run("replay", "--histories", str(ROOT / "tests" / "histories"))
    assert said.status == 0, said.out
    assert "blocked-run" in said.out
    assert run("replay", "--histories", str(tmp_path)).status == 3
    (tmp_path / "odd.json").write_text("{}")
    odd = run("replay", "--histories", str(tmp_path))
    assert odd.status == 1
    assert "not a history of Temporal" in odd.out
