"""
ministack, an emulator of AWS in a process and an environment of its own.

It pins a botocore that is not ours. Unlike moto it refuses a wrong SHA-256 checksum and composes
those of parts, so S3 is tested with it. `make test` makes its environment from locks/ministack.txt
before the sandbox closes the network; without it these tests are skipped, and say so.
"""

import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(__file__).parents[2] / "locks" / "ministack.txt"
PLACE = Path(sys.prefix) / "ministack"
_STARTED_WITHIN = 60.0  # seconds


def why_not() -> str:
    """Why it cannot run here; empty if it can."""
    if _installed():
        return ""
    said = _install()
    return f"not here: ministack cannot be installed ({said})" if said else ""


def _mark() -> Path:
    return PLACE / f".{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"


def _installed() -> bool:
    return _mark().exists()


def _install() -> str:
    """Make its environment; says what went wrong, if anything did."""
    pip = (str(PLACE / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    for words in (
        (sys.executable, "-m", "venv", "--clear", str(PLACE)),
        (*pip, "install", "--retries", "0", "--require-hashes", "-r", str(LOCK)),
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["no word why"])[-1][:200]
    _mark().touch()
    return ""


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of a fresh server on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            (PLACE / "bin" / "ministack",),
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder),
                 "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)},
            cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(process, f"{url}/_ministack/health", folder / "log")
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    give_up = time.monotonic() + _STARTED_WITHIN
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own loopback
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(
                    f"ministack did not start: {log.read_text(errors='replace')[-500:]}"
                ) from None
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(why_not() or 0)
