"""The demo, run as a person runs it: what it claims, and that nothing of it is left."""

import asyncio
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from responder.demo.world import NoWorld, World

_BUILD = Path(__file__).parents[2] / "build"
_SECONDS = 600  # a limit for machines that are busy, not a measure


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the demo puts its files; nothing may be left there, and nothing running."""
    mounts = _namespaces_kept()
    yield tmp_path
    _nothing_is_left(tmp_path)
    assert _namespaces_kept() == mounts


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[str]]]:
    """The transcripts of two whole stories, told at once: most of a story is waiting."""
    modes = ("feed",) if _without_namespaces() else ("kernel", "feed")
    mounts = _namespaces_kept()
    with ThreadPoolExecutor() as at_once:
        yield {m: at_once.submit(_told, tmp_path_factory.mktemp(m), m) for m in modes}
    assert _namespaces_kept() == mounts


def test_every_claim_is_true_with_a_kernel_firewall(stories: dict[str, Future[str]]) -> None:
    if said := _without_namespaces():
        pytest.skip(said)
    transcript = stories["kernel"].result()
    assert "a kernel firewall (nftables) in network namespaces" in transcript
    assert "web-1 talks to nobody but management" in transcript


def test_every_claim_is_true_with_the_feed(stories: dict[str, Future[str]]) -> None:
    transcript = stories["feed"].result()
    assert "the blocklist feed, polled by the shop" in transcript
    assert "web-1 is NOT CONTAINED" in transcript


def test_a_person_approves_with_a_code_and_ctrl_c_ends_everything(folder: Path) -> None:
    person = _Person(folder)
    person.reads("press a to approve, d to deny")
    person.types("a")
    code = person.reads(r"your authenticator shows (\d{6}); type it and press Enter")
    person.types(f"{'000000' if code != '000000' else '111111'}\r")
    assert "does not match" in person.reads("(that code does not match)")
    code = person.reads(r"your authenticator shows (\d{6}); type it and press Enter")
    person.types(f"{code}\r")
    person.reads("approved by you")
    person.types("\x03")
    assert person.leaves() == 130


def test_without_a_terminal_and_without_yes_nothing_is_started(folder: Path) -> None:
    done = _run(folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert (
        done.stderr
        == "nobody can answer here: this is not a terminal\n\nhint: responder demo --yes\n"
    )


def _told(folder: Path, mode: str) -> str:
    """The transcript of one whole story, which is kept; of the story itself nothing is."""
    done = _run(folder, "--yes", "--mode", mode)
    _BUILD.mkdir(exist_ok=True)
    (_BUILD / f"demo-{mode}.txt").write_text(done.stdout + done.stderr)
    assert done.stderr == ""
    assert done.returncode == 0
    assert "claims, all of them checked" in done.stdout
    _nothing_is_left(folder)
    return done.stdout


def _nothing_is_left(folder: Path) -> None:
    give_up = time.monotonic() + 5
    while (left := _running(folder)) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert left == []
    assert list(folder.iterdir()) == []


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "responder", "demo", *words),
        env=_environment(folder), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=_SECONDS,
    )  # fmt: skip


def _environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "TMPDIR": str(folder),
        "TERM": "xterm-256color",
        "RESPONDER_STATE": "of-this-shell",
    }


def _running(folder: Path) -> list[str]:
    """The processes that were given *folder* for their files: all that a demo starts."""
    mark, found = f"TMPDIR={folder}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def _namespaces_kept() -> list[str]:
    """Namespaces that a mount keeps alive; without one they end with their last process."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return []
    return [line for line in lines if " - nsfs " in line]


def _without_namespaces() -> str:
    """Why the story with a kernel firewall cannot be told here; empty if it can."""

    async def build() -> None:
        world = World()
        await world.build()
        await world.close()

    try:
        asyncio.run(build())
    except NoWorld as error:
        return f"no network namespace with nftables can be made here: {error}"
    return ""


class _Person:
    """Somebody at a terminal, in the mode that starts fastest everywhere."""

    def __init__(self, folder: Path) -> None:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            words = (sys.executable, "-m", "responder", "demo", "--mode", "feed")
            os.execve(words[0], words, _environment(folder))  # noqa: S606
        self._seen = ""

    def reads(self, pattern: str) -> str:
        """Wait until something is on the screen; returns its first group."""
        give_up = time.monotonic() + _SECONDS
        while not (match := re.search(pattern, self._seen)):
            assert time.monotonic() < give_up, self._seen
            if select.select([self._terminal], [], [], 1)[0]:
                said = os.read(self._terminal, 65536).decode(errors="replace")
                self._seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", said)
        self._seen = self._seen[match.end() :]
        return match.group(match.lastindex or 0)

    def types(self, keys: str) -> None:
        """Press keys."""
        os.write(self._terminal, keys.encode())

    def leaves(self) -> int:
        """The exit status, once the demo has ended."""
        give_up = time.monotonic() + _SECONDS
        while True:
            try:
                if select.select([self._terminal], [], [], 0.1)[0]:
                    os.read(self._terminal, 65536)
            except OSError:  # nobody has the other end any more
                pass
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > give_up:
                os.kill(self._pid, signal.SIGKILL)
