"""
Every playbook is simulated with loopback only, an empty environment and nothing to write on; the kernel is the witness.

The kernel refuses every write but below one folder in memory, lists each socket there is, and counts
what is sent to where there is no way. Both are first shown to notice.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from playbooks import _NAMES, PLAYBOOKS
from responder.workflows.playbook import Playbook
from tests.lab import sandbox

ROOT = Path(__file__).parents[2]
APART = Path(__file__).with_name("apart.py")
EACH = [pytest.param(name, kind, id=name) for name, kind in zip(_NAMES, PLAYBOOKS, strict=True)]
pytestmark = pytest.mark.skipif(
    bool(sandbox.why_not()), reason="not here: no network namespaces can be made"
)
REACHING = {
    "a connection": ("unroutable", "socket.socket().connect_ex(('192.0.2.1', 80))"),
    "a datagram": ("unroutable", "socket.socket(type=2).connect_ex(('192.0.2.1', 53))"),
    "over IPv6": ("unroutable", "socket.socket(10).connect_ex(('2001:db8::1', 80))"),
    "every packet": ("sockets", "s = socket.socket(17, 3, 768); time.sleep(0.5)"),
    "a daemon's socket": ("sockets", "s = socket.socket(1); s.bind('\\0daemon'); time.sleep(0.5)"),
    "a file beside": ("made", "open('/var/tmp/other', 'w')"),
}


def apart(folder: Path, *command: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """The command, run apart; what it said, and what the kernel saw."""
    unshare = (shutil.which("unshare") or "unshare", "--net", "--mount", "--propagation", "private")
    places = f"/tmp:/etc:/dev/shm:{ROOT}:{folder}"  # noqa: S108 - to find that it is read-only
    words = (*unshare, sys.executable, str(APART), "--places", places, "--", *command)
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=300, cwd=folder
    )
    *_, last = done.stderr.strip().splitlines() or [""]
    assert last.startswith("{"), done.stderr
    return done, json.loads(last)


@pytest.mark.parametrize(("name", "playbook"), EACH)
def test_it_is_told_without_another_socket_and_without_a_write_elsewhere(
    name: str, playbook: type[Playbook], tmp_path: Path
) -> None:
    example = ROOT / "examples" / "alerts" / f"{name}.json"
    command = Path(sys.executable).with_name("responder")
    asked = ("simulate", "--alert", str(example), "--source", "generic", "--for", "1h")
    done, seen = apart(tmp_path, str(command), *asked)
    assert done.returncode == 0, done.stderr
    assert f"{playbook.__name__} begins as INC-" in done.stdout
    assert "stopped" not in done.stdout
    assert (seen["interfaces"], seen["writable"]) == (["lo"], [])
    assert seen["sockets"] == []
    assert seen["unroutable"] == 0
    # Its folder, and the file by which Python finds out where a folder can be made.
    folders = [one for one in seen["made"] if one.startswith("responder-simulate-")]
    probes = [one for one in seen["made"] if re.fullmatch(r"[a-z0-9_]{8}", one)]
    assert len(folders) == 1
    assert sorted([*folders, *probes]) == seen["made"]
    assert seen["left"] == []


@pytest.mark.parametrize("what", REACHING)
def test_the_kernel_notices_who_reaches_out(what: str, tmp_path: Path) -> None:
    where, code = REACHING[what]
    _, seen = apart(tmp_path, sys.executable, "-c", f"import socket, time; {code}")
    assert seen[where], seen
