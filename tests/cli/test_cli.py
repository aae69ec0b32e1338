import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Api, Run

CANARY = "canary-7f3a"
NOUNS = ("incidents", "approvals", "leases", "people", "sources", "intake", "audit", "config")


@pytest.mark.parametrize("words", [(), *((noun,) for noun in NOUNS), ("incidents", "show")])
def test_help_is_there_for_every_noun(run: Run, words: tuple[str, ...]) -> None:
    for flag in ("-h", "--help"):
        said = run(*words, flag)
        assert (said.status, said.err) == (0, "")
        assert said.out.startswith("Usage: ")
        assert "--help" in said.out


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",), ("incidents", "nonsense"), ("incidents", "show"), ("incidents", "list", "--x"),
        ("config", "show", "more"), ("pause",), ("audit", "tail", "--last", "many"), ("--nonsense",),
    ],
)  # fmt: skip
def test_a_command_that_is_wrong_is_exit_2_with_words_on_standard_error(
    run: Run, words: tuple[str, ...]
) -> None:
    said = run(*words)
    assert (said.status, said.out) == (2, "")
    assert "Traceback" not in said.err
    assert said.err.strip()


def test_settings_that_cannot_be_used_are_exit_2_with_every_fault(run: Run, tmp_path: Path) -> None:
    (tmp_path / "responder.yaml").write_text(
        "api: {port: 99999}\nlog: {level: loud}\nnonsense: 1\n"
    )
    for words in (("config", "show"), ("doctor",), ("worker",), ("serve",), ("sources", "list")):
        said = run(*words)
        assert (said.status, said.out) == (2, "")
        lines = said.err.splitlines()
        assert lines[0] == "the settings cannot be used:"
        assert [line.split(":")[0].strip() for line in lines[1:]] == [
            "api.port", "log.level", "nonsense",
        ]  # fmt: skip


def test_a_file_that_is_not_yaml_is_exit_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "responder.yaml").write_text("a: [")
    said = run("config", "show")
    assert said.status == 2
    assert "responder.yaml is not YAML" in said.err


def test_config_show_says_where_each_value_comes_from(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "responder.yaml").write_text("api: {port: 1001}\nbudgets: {Block: 3}\n")
    monkeypatch.setenv("RESPONDER_LOG__LEVEL", "debug")
    said = run("config", "show", "--origin", "--json")
    assert said.status == 0
    found = json.loads(said.out)
    assert found["api.port"] == {"value": 1001, "origin": "responder.yaml"}
    assert found["budgets.Block"] == {"value": 3, "origin": "responder.yaml"}
    assert found["log.level"] == {"value": "debug", "origin": "environment"}
    assert found["api.host"]["origin"] == "default"
    table = run("config", "show", "--origin").out
    assert "responder.yaml" in table
    assert "environment" in table


def test_config_show_never_shows_a_secret(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "responder.yaml").write_text(
        f"""
temporal: {{api_key: {CANARY}}}
mail: {{host: mail.example.com, sender: a@example.com, password: {CANARY}}}
store: postgresql+psycopg://u:{CANARY}@db.example.com/r
sources: {{siem: {{kind: wazuh, auth: {{scheme: bearer, tokens: [{CANARY}-long-enough-1234]}}}}}}
inventory: {{points: [{{kind: feed, consumers: [{{name: fw, token: {CANARY}-long-enough-1234}}]}}]}}
"""
    )
    monkeypatch.setenv("RESPONDER_MAIL__PASSWORD", CANARY)
    for flags in ((), ("--json",), ("--origin",), ("--origin", "--json")):
        said = run("config", "show", *flags)
        assert said.status == 0, said.err
        assert CANARY not in said.out + said.err
        assert "db.example.com" in said.out


def test_config_schema_is_json_schema_of_the_file(run: Run) -> None:
    found = json.loads(run("config", "schema").out)
    assert found["properties"]["api"]
    assert found["additionalProperties"] is False


def test_without_a_runner_the_way_to_start_one_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPONDER_URL", "http://127.0.0.1:1")
    for words in (("incidents", "list"), ("audit", "verify"), ("approvals", "deny", "a1")):
        said = run(*words)
        assert (said.status, said.out) == (6, "")
        assert "does not answer" in said.err
        assert "hint: responder up" in said.err


@pytest.mark.parametrize(
    ("status", "exit_status"),
    [(400, 1), (401, 4), (403, 4), (404, 3), (409, 1), (422, 1), (429, 1), (500, 1), (503, 6)],
)
def test_the_exit_status_says_whose_it_is_to_mend(
    run: Run, api: Api, status: int, exit_status: int
) -> None:
    api.status, api.body = status, '{"detail": "because"}'
    said = run("incidents", "show", "IR-1")
    assert (said.status, said.out) == (exit_status, "")
    assert "because" in said.err


@pytest.mark.parametrize("body", ["", "<html>", "[]", '"x"', '{"detail": {"a": 1}}', "null"])
def test_an_answer_that_is_not_ours_is_told_without_a_traceback(
    run: Run, api: Api, body: str
) -> None:
    api.status, api.body = 502, body
    said = run("incidents", "list")
    assert (said.status, said.out) == (1, "")
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "words",
    [("incidents", "list"), ("approvals", "list"), ("leases", "list"), ("audit", "tail")],
)
def test_json_is_data_alone_on_standard_output(run: Run, api: Api, words: tuple[str, ...]) -> None:
    api.body = "[]"
    said = run(*words, "--json")
    assert (said.status, json.loads(said.out), said.err) == (0, [], "")
    said = run(*words)
    assert (said.status, said.out) == (0, "")
    assert said.err.strip()


def test_an_audit_that_does_not_hold_is_exit_7(run: Run, api: Api) -> None:
    api.body = '{"held": 6, "fault": {"seq": 7, "why": "was changed after it was written"}}'
    said = run("audit", "verify")
    assert (said.status, said.err.strip()) == (7, "entry 7: was changed after it was written")
    said = run("audit", "verify", "--json")
    assert (said.status, json.loads(said.out)["held"]) == (7, 6)
    api.body = '{"held": 6, "fault": null}'
    assert run("audit", "verify").status == 0


def test_alert_text_cannot_move_the_terminal_s_cursor_or_draw(run: Run, api: Api) -> None:
    nasty = "\x1b]52;c;evil\x07[bold red]x[/]\x1b[2J\u202e\r\n|"
    row = {"id": "IR-1", "priority": "P1", "status": "open", "category": "data_leak",
           "subject": nasty, "owner": None, "opened": "2026-03-04T12:00:00Z"}  # fmt: skip
    api.body = json.dumps([row])
    said = run("incidents", "list")
    assert said.status == 0
    for mark in ("\x1b", "\x07", "\u202e", "\r"):
        assert mark not in said.out
    assert "[bold red]x[/]" in said.out


def test_a_bug_is_one_line_and_the_way_to_more(run: Run, api: Api) -> None:
    api.body = '[{"id": 1}]'  # not what the API sends
    said = run("incidents", "list")
    assert said.status == 1
    assert "RESPONDER_TRACEBACK=1 shows where" in said.err
    assert "Traceback" not in said.err


def _spawn(*words: str, stdout: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "responder", *words], stdout=stdout, stderr=subprocess.PIPE,
        text=True, cwd="/", env={"PATH": os.environ["PATH"], "HOME": "/nowhere"},
    )  # fmt: skip


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = _spawn("config", "schema", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert process.returncode in (0, 1)


def test_no_words_at_all_show_the_help_and_are_exit_2() -> None:
    out, err = (process := _spawn()).communicate(timeout=60)
    assert process.returncode == 2
    assert "Usage: python -m responder" in out + err
    assert "Traceback" not in err
