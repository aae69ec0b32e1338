"""Output that is too large to hold, over a real sshd and on this machine."""

import asyncio
import hashlib
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from activities.local import LocalShell
from activities.ssh import SSHShell
from activities.streams import Failed, Limits, Silent, Streams, Transfer, open_streams
from responder.access import Local
from responder.errors import Unreachable
from tests.lab.network import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")
MIB = 1 << 20


@pytest_asyncio.fixture(params=["ssh", "local"], scope="module", loop_scope="module")
async def streams(request: pytest.FixtureRequest, lab: Lab) -> AsyncIterator[Streams]:
    """Both kinds, one after the other."""
    if request.param == "local":
        yield open_streams(Local(), LocalShell(Local()))
        return
    access = lab.access("web")
    shell = SSHShell(access)
    yield open_streams(access, shell)
    await shell.close()


async def drained(streams: Streams, *words: str, **limits: float) -> tuple[Transfer, str, int]:
    """The transfer once it is over, the digest of what came, and how much that was."""
    transfer = await streams.transfer(words, Limits.model_validate(limits))

    def read() -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        for chunk in transfer:
            digest.update(chunk)
            size += len(chunk)
        return digest.hexdigest(), size

    return (transfer, *await asyncio.to_thread(read))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("printf", "%s", "$(id) `id` ; rm -rf / 'x' \"y\" \n"),
            b"$(id) `id` ; rm -rf / 'x' \"y\" \n",
        ),
        (("printf", "a\\0b\\377"), b"a\0b\xff"),
        (("true",), b""),
        (("sh", "-c", 'echo "$1" >&2; printf no', "x", "a complaint"), b"no"),
    ],
)
async def test_the_host_and_we_agree_on_what_was_sent(
    streams: Streams, words: Sequence[str], expected: bytes
) -> None:
    transfer, digest, size = await drained(streams, *words)
    assert transfer.ended is not None
    assert size == len(expected)
    assert transfer.ended.sha256 == digest == hashlib.sha256(expected).hexdigest()
    assert transfer.ended.status == 0


async def test_status_and_complaint_come_back(streams: Streams) -> None:
    transfer, _, _ = await drained(streams, "sh", "-c", "echo one; echo two >&2; exit 3")
    assert transfer.ended is not None
    assert (transfer.ended.status, transfer.ended.complaint) == (3, "two")
    transfer, _, size = await drained(streams, "no-such-program-here")
    assert transfer.ended is not None
    assert (transfer.ended.status, size) == (127, 0)
    assert "not found" in transfer.ended.complaint


async def test_a_flood_of_complaints_stops_nothing(streams: Streams) -> None:
    flood = "head -c 8000000 /dev/zero | tr '\\0' 'x' >&2; echo done"
    transfer, _, size = await drained(streams, "sh", "-c", flood)
    assert transfer.ended is not None
    assert size == len("done\n")
    assert len(transfer.ended.complaint) <= 65536


async def test_what_is_more_than_the_limit_is_cut_at_it(streams: Streams) -> None:
    transfer, digest, size = await drained(streams, "yes", most=100_000)
    assert transfer.ended is not None
    assert size == 100_000
    assert transfer.ended.sha256 == digest


async def test_200_megabytes_pass_through_in_bounded_memory(streams: Streams) -> None:
    size = 200 * MIB
    tracemalloc.start()
    began = time.monotonic()
    peak_before = _resident()
    transfer, digest, got = await drained(streams, "head", "-c", str(size), "/dev/zero")
    seconds = time.monotonic() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    grown = (_resident() - peak_before) / MIB
    print(
        f"200 MiB in {seconds:.1f} s, peak {peak / MIB:.1f} MiB of Python's, resident +{grown:.1f} MiB"
    )
    assert transfer.ended is not None
    assert got == size
    assert transfer.ended.sha256 == digest
    assert peak < 40 * MIB
    assert grown < 40


async def test_a_slow_reader_is_waited_for(streams: Streams) -> None:
    transfer = await streams.transfer(("head", "-c", str(20 * MIB), "/dev/zero"), Limits())

    def read_slowly() -> int:
        got = 0
        for number, chunk in enumerate(transfer):
            got += len(chunk)
            if number < 3:
                time.sleep(0.2)
        return got

    assert await asyncio.to_thread(read_slowly) == 20 * MIB


async def test_a_command_that_hangs_is_given_up(streams: Streams) -> None:
    with pytest.raises(Silent, match=r"said nothing for 0\.6 s"):
        await drained(streams, "sleep", "60", silent_seconds=0.6)
    with pytest.raises(Failed, match=r"took longer than 0\.7 s"):
        await drained(streams, "sh", "-c", "while :; do echo x; sleep 0.1; done", seconds=0.7)


async def test_it_can_be_stopped_from_outside(streams: Streams) -> None:
    transfer = await streams.transfer(("sleep", "60"), Limits())
    threading.Timer(0.3, transfer.stop).start()
    began = time.monotonic()
    with pytest.raises(Failed, match="was stopped"):
        await asyncio.to_thread(list, transfer)
    assert time.monotonic() - began < 3


async def test_a_cut_connection_is_no_end(lab: Lab) -> None:
    access = lab.access("web")
    shell = SSHShell(access)
    streams = open_streams(access, shell)
    endless = ("sh", "-c", "while :; do head -c 10000 /dev/zero; sleep 0.1; done")
    transfer = await streams.transfer(endless, Limits(silent_seconds=2))
    threading.Timer(0.5, lab.cut, ("web",)).start()
    try:
        with pytest.raises(Unreachable):
            await asyncio.to_thread(list, transfer)
        assert transfer.received > 0
        assert transfer.ended is None
    finally:
        lab.mend("web")
        await shell.close()


async def test_a_killed_connection_is_no_end(lab: Lab) -> None:
    access = lab.access("web")
    shell = SSHShell(access)
    transfer = await open_streams(access, shell).transfer(("yes",), Limits())
    client = await shell.connected()
    threading.Timer(0.5, client.close).start()
    with pytest.raises(Unreachable):
        await asyncio.to_thread(_counted, transfer)
    await shell.close()


def _counted(transfer: Transfer) -> list[int]:
    return [len(chunk) for chunk in transfer]


def _resident() -> int:
    fields = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
        if ":" in line
    )
    return int(fields["VmRSS"].split()[0]) * 1024
