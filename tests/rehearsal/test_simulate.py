"""`responder simulate`: a whole story in a process that can reach and change nothing."""

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from responder.rehearsal.story import Line, folded
from tests.lab import sandbox

ROOT = Path(__file__).parents[2]
WAZUH = {
    "timestamp": "2026-03-04T12:00:00.000+0000",
    "id": "1772625600.1",
    "rule": {
        "id": "5763", "level": 12, "description": "sshd: brute force", "mitre": {"id": ["T1110"]},
    },
    "agent": {"id": "001", "name": "web-1"},
    "data": {"srcip": "203.0.113.7", "srcuser": "ana"},
}  # fmt: skip
HARMFUL = {
    "reaches": "import socket; socket.create_connection(('192.0.2.1', 80), 1)",
    "writes": "open('/var/tmp/responder-was-here', 'w')",
    "starts": "import subprocess; subprocess.run(['touch', '/var/tmp/responder-was-here'])",
    "resolves": "import socket; socket.getaddrinfo('example.com', 80)",
}


def simulate(
    folder: Path, *words: str, before: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    command = (*before, sys.executable, "-m", "responder", "simulate", *words)
    known = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "PYTHONPATH": f"{folder}:{ROOT}",
    }
    return subprocess.run(
        command, cwd=folder, env=known | environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture
def alert(tmp_path: Path) -> Path:
    path = tmp_path / "alert.json"
    path.write_text(json.dumps(WAZUH))
    return path


def test_an_alert_of_wazuh_is_told_from_its_arrival_to_what_is_put_back(
    alert: Path, tmp_path: Path
) -> None:
    said = simulate(tmp_path, "--alert", str(alert), "--source", "wazuh", "--for", "30h")
    assert said.returncode == 0, said.stderr
    order = [
        "received       wazuh:1772625600.1",
        "AuthenticationAttack begins as INC-",
        "block 203.0.113.7 for P1D at imagined: False → True",
        "outcome        block/imagined/203.0.113.7/32",
        "asked          T2",
        "isolate web-1 for PT8H at imagined: open → isolated",
        "first-approver approved",
        "undone         filter/imagined/web-1",
        "undone         block/imagined/203.0.113.7/32",
    ]
    places = [said.stdout.find(words) for words in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)
    assert "\x1b" not in said.stdout
    assert list(tmp_path.iterdir()) == [alert], "nothing was written"


@pytest.mark.parametrize("harm", HARMFUL)
def test_code_that_would_do_harm_is_stopped_in_one_line(
    harm: str, alert: Path, tmp_path: Path
) -> None:
    (tmp_path / "harmful.py").write_text(f"{HARMFUL[harm]}\nPLAYBOOKS = ()\n")
    named = '["playbooks:PLAYBOOKS", "harmful:PLAYBOOKS"]'
    said = simulate(tmp_path, "--alert", str(alert), "--source", "wazuh", RESPONDER_PLAYBOOKS=named)
    assert said.returncode == 1
    assert "Forbidden: a rehearsal " in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1
    assert not Path("/var/tmp/responder-was-here").exists()  # noqa: S108 - where it would have written


@pytest.mark.skipif(bool(sandbox.why_not()), reason="not here: no network namespaces can be made")
def test_a_network_of_loopback_only_and_an_empty_environment_are_enough(
    alert: Path, tmp_path: Path
) -> None:
    inside = (
        shutil.which("unshare") or "unshare", "--net", "env", "-i", f"PYTHONPATH={ROOT}", "sh", "-c",
        'ip link set lo up 2>/dev/null || /sbin/ip link set lo up; exec "$@"', "sh",
    )  # fmt: skip
    said = simulate(
        tmp_path, "--alert", str(alert), "--source", "wazuh", "--for", "1h", before=inside
    )
    assert said.returncode == 0, said.stderr
    assert "block/imagined/203.0.113.7/32" in said.stdout


def test_what_is_wrong_with_the_call_is_one_line_and_its_own_exit_status(
    alert: Path, tmp_path: Path
) -> None:
    missing = simulate(tmp_path, "--alert", "nowhere.json")
    assert (missing.returncode, missing.stderr) == (3, "nowhere.json: there is no such file\n")
    source = ("--alert", str(alert), "--source", "wazuh")
    unknown = simulate(tmp_path, *source, "--playbook", "nope")
    assert unknown.returncode == 3
    assert unknown.stderr.startswith("no playbook is called 'nope'; known: ")
    assert len(unknown.stderr.splitlines()) == 1
    alert.write_text('{"hello": "world"}')
    odd = simulate(tmp_path, *source)
    assert odd.returncode == 1
    assert odd.stderr.startswith("the alert: ")
    assert len(odd.stderr.splitlines()) == 1
    alert.write_text("not JSON")
    assert simulate(tmp_path, *source).returncode == 1
    assert simulate(tmp_path, *source, "--answers", "maybe").returncode == 2


def line(minutes: int, kind: str, words: str, *details: str) -> Line:
    return Line(after=timedelta(minutes=minutes), kind=kind, words=words, details=details)


def test_what_clocks_repeat_is_told_once_with_how_often() -> None:
    found = folded([
        line(1, "said", "to ana: UNANSWERED since 12:00:00 UTC"),
        line(2, "planned", "INC-1/x/1/1"),
        line(3, "said", "to ana: UNANSWERED since 12:30:00 UTC"),
        line(4, "said", "to ben: UNANSWERED since 12:30:00 UTC"),
        line(5, "planned", "INC-1/x/1/1"),
        line(6, "said", "to ana: UNANSWERED since 13:00:00 UTC"),
    ])  # fmt: skip
    assert [one.kind for one in found] == ["said", "planned", "said", "planned"]
    assert [one.times for one in found] == [3, 1, 1, 1]
    assert found[0].last == timedelta(minutes=6)
    assert found[2].last is None
