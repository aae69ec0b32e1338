"""Evidence of a real host over a real sshd, into a vault in a folder."""

import asyncio
import hashlib
import io
import resource
import shutil
import tarfile
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.collecting.steps import STEPS, StepName
from activities.forensics import Acquired, CollectEvidence
from activities.providers.live_response import LiveResponse
from activities.ssh import SSHShell
from activities.streams import open_streams
from responder.errors import Refused, Unreachable
from responder.evidence.custody import Chain, Entry, Touch
from responder.evidence.folder import FolderVault
from responder.evidence.model import Manifest
from responder.evidence.vault import Kind, Place, Stored
from responder.evidence.verify import verify
from tests.forensics.conftest import INCIDENT, SCOPE, Make
from tests.lab.network import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def collect(
    collection: LiveResponse, key: str = f"{INCIDENT}/system-compromise/1/3/0/web"
) -> Manifest:
    """Acquire, and read back what the vault holds then."""
    await collection.write(Acquired.ACQUIRED, key=key, until=None, tag=INCIDENT)
    found = await collection.read()
    assert found.state is Acquired.ACQUIRED
    assert isinstance(found.record, dict)
    return Manifest.model_validate(found.record["manifest"])


def place(name: str, kind: Kind = Kind.ARTEFACT) -> Place:
    return Place(case=INCIDENT, host="web", collection="first", kind=kind, name=name)


def content(vault: FolderVault, name: str) -> bytes:
    return b"".join(vault.get(place(name)))


def custody(vault: FolderVault) -> list[Entry]:
    return Chain(vault, INCIDENT, "web", "first").load().entries


@pytest_asyncio.fixture(loop_scope="module")
async def intruder(shell: SSHShell) -> AsyncIterator[int]:
    """A process on `web` whose executable is gone, with something in its memory."""
    started = await shell.run(
        "sh", "-c",
        "cp /usr/bin/sleep /root/.kworker; MARK=found-in-memory-7731 setsid -f /root/.kworker 300 "
        "</dev/null >/dev/null 2>&1; sleep 0.2; rm /root/.kworker; "
        "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */.kworker*) echo ${p#/proc/};; esac; done",
    )  # fmt: skip
    pid = int(started.out)
    yield pid
    await shell.run("kill", "-9", str(pid))


async def test_a_collection_is_taken_whole_and_in_order(
    collection: Make, vault: FolderVault, intruder: int
) -> None:
    assert (await collection().read()).state is Acquired.NONE
    began = time.monotonic()
    manifest = await collect(collection())
    print(f"{len(manifest.artefacts)} artefacts in {time.monotonic() - began:.1f} s")
    names = {artefact.name for artefact in manifest.artefacts}
    missing = {one.name: one.why for one in manifest.missing}
    print("missing:", missing)
    assert {
        "network/neighbours", "network/routes", "network/sockets", "network/kernel", "processes/table",
        "processes/status", "processes/open-files", "processes/environment", "executables/deleted.tsv",
        "times/temporary.body", "times/disk.body", "executables/running.tsv", "accounts/files.tar",
        "persistence/files.tar", "logs/files.tar",
    } <= names  # fmt: skip
    for artefact in manifest.artefacts:
        assert artefact.source_sha256 == artefact.vault_sha256
        assert hashlib.sha256(content(vault, artefact.name)).hexdigest() == artefact.source_sha256
    waived = {waiver.step: waiver.reason for waiver in manifest.waived}
    assert "kernel module" in waived["memory-image"]
    assert {"registers", "remote-logs", "packages", "containers", "temporary-files"} <= set(waived)
    ranks = {step.name: step.volatility for step in STEPS}
    begun = [ranks[e.subject] for e in custody(vault) if e.touch is Touch.STEP_BEGAN]
    assert begun == sorted(begun)
    assert len(begun) == len(STEPS) - len(manifest.waived)
    assert [v.faults for v in verify(vault)] == [()]


async def test_a_deleted_executable_is_recovered_bit_for_bit(
    collection: Make, vault: FolderVault, intruder: int
) -> None:
    manifest = await collect(collection())
    found = [a for a in manifest.artefacts if a.name.startswith(f"executables/deleted/{intruder}-")]
    assert len(found) == 1
    assert content(vault, found[0].name) == Path("/usr/bin/sleep").read_bytes()
    listed = content(vault, "executables/deleted.tsv").decode()
    assert f"{intruder}\t" in listed
    assert "/root/.kworker (deleted)" in listed
    memory = content(vault, found[0].name.replace("executables/deleted", "memory"))
    assert b"found-in-memory-7731" in memory
    mappings = list(read_memory(memory))
    assert any("[stack]" in path for _, _, path, _ in mappings)
    code = [data for _, perms, path, data in mappings if ".kworker" in path and "x" in perms]
    assert code
    assert code[0][:256] in Path("/usr/bin/sleep").read_bytes()


def read_memory(kept: bytes) -> Iterator[tuple[int, str, str, bytes]]:
    """The mappings of a memory artefact, as the how-to describes them."""
    rest = kept
    while rest:
        line, _, rest = rest.partition(b"\n")
        start, length, perms, *path = line.decode().split(" ", 3)
        assert len(rest) >= int(length), f"the mapping at {start} is cut short"
        yield int(start, 16), perms, "".join(path), rest[: int(length)]
        rest = rest[int(length) :]


async def test_every_touch_is_in_custody(
    collection: Make, vault: FolderVault, shell: SSHShell
) -> None:
    await collect(collection(), key="INC-2026-0007/system-compromise/1/3/0/web")
    entries = custody(vault)
    assert entries[0].touch is Touch.BEGAN
    tools = {tool.name: tool for tool in entries[0].tools}
    for name in ("ss", "find", "sha256sum", "sh"):
        real = Path(shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") or "").read_bytes()
        assert tools[name].sha256 == hashlib.sha256(real).hexdigest()
    assert tools["find"].version.startswith("find (GNU findutils)")
    sockets = next(e for e in entries if e.subject == "network/sockets")
    assert sockets.artefact is not None
    assert sockets.command == "sh -c 'ss -anpeoO' network/sockets"
    assert {tool.name for tool in sockets.tools} == {"sh", "ss", "head", "tee", "sha256sum"}
    assert {e.actor for e in entries} == {"INC-2026-0007/system-compromise/1/3/0/web"}
    assert sockets.clock is not None
    assert abs(sockets.clock.offset_ms) <= sockets.clock.within_ms + 20
    assert sockets.clock.within_ms < 2000


async def test_what_a_host_lacks_is_said_and_never_made_up(
    collection: Make, vault: FolderVault
) -> None:
    manifest = await collect(collection(scope=SCOPE.model_copy(update={"roots": ("/nowhere",)})))
    missing = {one.name: one.why for one in manifest.missing}
    assert missing["times/disk.body"] == "exit status 2: none of these folders is there"
    assert "times/disk.body" not in {artefact.name for artefact in manifest.artefacts}


async def test_names_cannot_make_lines_or_columns_in_a_body_file(
    collection: Make, vault: FolderVault
) -> None:
    await collect(collection())
    rows = [line.split("|") for line in content(vault, "times/disk.body").decode().splitlines()]
    assert {len(row) for row in rows} == {11}
    names = {row[1] for row in rows}
    assert r"/root/suspect/bar\174name" in names
    assert r"/root/suspect/line\nbreak" in names
    assert r"/root/suspect/link -> to\174bar" in names
    plain = next(row for row in rows if row[1] == "/root/suspect/plain")
    assert plain[3:7] == ["-rw-r--r--", "0", "0", "7"]
    assert all(abs(int(moment) - time.time()) < 600 for moment in plain[7:10])


async def test_times_are_taken_before_anything_reads_the_files(
    collection: Make, vault: FolderVault, shell: SSHShell
) -> None:
    await shell.run("touch", "-a", "-d", "2021-02-03 00:00:00 UTC", "/root/suspect/log/app.log")
    await collect(collection())
    rows = [line.split("|") for line in content(vault, "times/disk.body").decode().splitlines()]
    assert next(row for row in rows if row[1] == "/root/suspect/log/app.log")[7] == "1612310400"
    # The log itself was read, and only after that.
    with tarfile.open(fileobj=io.BytesIO(content(vault, "logs/files.tar"))) as archive:
        names = archive.getnames()
        kept = archive.extractfile("/root/suspect/log/app.log")
        assert kept is not None
        text = kept.read()
    assert names == ["/root/suspect/log/app.log"], "old.log was not written in the window"
    assert text == b"entry one\n"


async def test_the_full_profile_takes_more(collection: Make, vault: FolderVault) -> None:
    left = ("packages",)  # verifying all packages of this machine takes minutes
    waived = [{"step": step, "reason": "too slow for a test"} for step in left]
    manifest = await collect(collection(profile="full", waived=waived))
    with tarfile.open(fileobj=io.BytesIO(content(vault, "files/temporary.tar"))) as archive:
        assert "/root/suspect/plain" in archive.getnames()
    waivers = {waiver.step: waiver for waiver in manifest.waived}
    assert waivers["packages"].reason == "too slow for a test"
    entry = next(e for e in custody(vault) if e.touch is Touch.WAIVED and e.subject == "packages")
    assert entry.said == "too slow for a test (asked)"


async def test_200_megabytes_go_from_the_host_into_the_vault_in_bounded_memory(
    collection: Make, shell: SSHShell
) -> None:
    size = 200 << 20
    await shell.run("truncate", "-s", str(size), "/root/suspect/log/huge.log")
    left = [
        {"step": step.value, "reason": "only the logs are wanted"}
        for step in StepName
        if step is not StepName.LOGS
    ]
    before, began = resident(), time.monotonic()
    manifest = await collect(collection(waived=left))
    seconds, grown = time.monotonic() - began, (resident() - before) / 2**20
    await shell.run("rm", "/root/suspect/log/huge.log")
    (logs,) = [a for a in manifest.artefacts if a.name == "logs/files.tar"]
    print(f"{logs.size >> 20} MiB in {seconds:.1f} s, resident +{grown:.1f} MiB")
    assert logs.size > size
    assert grown < 40


def resident() -> int:
    """The most memory this process ever held, in bytes: a peak between two looks counts too."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def test_a_limit_that_is_reached_is_in_the_manifest(collection: Make) -> None:
    manifest = await collect(collection(scope=SCOPE.model_copy(update={"largest_artefact": 100})))
    body = next(a for a in manifest.artefacts if a.name == "times/disk.body")
    assert (body.size, body.limit) == (100, 100)


def slowly(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        time.sleep(0.05)
        yield chunk


class Interrupted(BaseException):
    """The worker dies here."""


class Dying(FolderVault):
    """A folder vault whose process dies at a named moment, once."""

    dies_after: str = ""
    kind: Kind = Kind.CUSTODY
    puts: list[str]

    def put(self, place: Place, chunks: Iterable[bytes]) -> Stored:
        stored = super().put(place, chunks)
        self.puts.append(f"{place.kind}/{place.name}")
        if self.dies_after == f"{place.kind}/{place.name}":
            self.dies_after = ""
            raise Interrupted
        return stored


@pytest.mark.parametrize(
    "moment",
    ["custody/000001.json", "artefacts/network/sockets", "custody/000017.json", "custody/000030.json",
     "artefacts/times/disk.body", "artefacts/logs/files.tar"],
)  # fmt: skip
async def test_an_interrupted_collection_goes_on_where_it_was(
    collection: Make, tmp_path: Path, vault: FolderVault, moment: str
) -> None:
    dying = Dying(tmp_path / "evidence", vault._ring)
    dying.puts, dying.dies_after = [], moment
    with pytest.raises(Interrupted):
        await collect(collection(into=dying))
    assert (await collection().read()).state is Acquired.NONE
    before = {e.subject: e.artefact for e in custody(vault) if e.touch is Touch.ACQUIRED}
    dying.puts.clear()
    manifest = await collect(collection(into=dying))
    taken_again = {p.removeprefix("artefacts/") for p in dying.puts if p.startswith("artefacts/")}
    assert not taken_again & set(before), "something acquired was taken again"
    after = {e.subject: e.artefact for e in custody(vault) if e.touch is Touch.ACQUIRED}
    assert {name: after[name] for name in before} == before
    aside = [e.subject for e in custody(vault) if e.touch is Touch.SET_ASIDE]
    if moment.startswith("artefacts/"):
        assert aside == [moment.removeprefix("artefacts/")]
        assert f"{aside[0]}~2" in {artefact.name for artefact in manifest.artefacts}
    else:
        assert aside == []
    assert [v.faults for v in verify(vault)] == [()]


async def test_a_connection_that_is_cut_is_gone_on_from(
    lab: Lab, vault: FolderVault, collection: Make
) -> None:
    hasty = SSHShell(lab.access("web"), connect_seconds=1, command_seconds=1)
    action = CollectEvidence(host="web", incident=INCIDENT)

    class Cutting(FolderVault):
        def put(self, place: Place, chunks: Iterable[bytes]) -> Stored:
            if place.name == "processes/status":
                hard_cut()
            return super().put(place, chunks)

    def hard_cut() -> None:
        lab.cut("web")
        assert hasty._client is not None
        transport = hasty._client.get_transport()
        assert transport is not None
        transport.close()

    into = Cutting(vault._root, vault._ring)
    cut = LiveResponse(into, hasty, open_streams(lab.access("web"), hasty), action, scope=SCOPE)
    with pytest.raises(Unreachable):
        await collect(cut)
    with pytest.raises(Unreachable):
        await collect(cut)
    lab.mend("web")
    before = [e.subject for e in custody(vault) if e.touch is Touch.ACQUIRED]
    assert "network/sockets" in before
    manifest = await collect(collection())
    assert "processes/status" in {artefact.name for artefact in manifest.artefacts}
    assert [v.faults for v in verify(vault)] == [()]
    await hasty.close()


async def test_a_second_request_takes_nothing_again(collection: Make, vault: FolderVault) -> None:
    first = await collect(collection())
    entries = len(custody(vault))
    found = await collection().read()
    assert found == await collection().read(), "the record must be stable"
    assert found.record is not None
    with pytest.raises(Refused, match="evidence is kept"):
        await collection().write(Acquired.NONE, key="undo", until=None, tag="")
    assert len(custody(vault)) == entries
    other = await collect(collection(collection="second"))
    assert other.collection == "second"
    assert first.custody_head != other.custody_head


async def test_two_attempts_at_once_do_not_mix(collection: Make, vault: FolderVault) -> None:
    one = asyncio.create_task(collect(collection()))
    await asyncio.sleep(0.3)
    with pytest.raises(Unreachable, match="another attempt of this worker is collecting it"):
        await collect(collection())
    await one
    assert [v.faults for v in verify(vault)] == [()]


async def test_a_cancelled_collection_ends_what_runs_on_the_host(
    collection: Make, vault: FolderVault, shell: SSHShell
) -> None:
    begun = threading.Event()

    class Slow(FolderVault):
        def put(self, place: Place, chunks: Iterable[bytes]) -> Stored:
            if place.name == "processes/status":
                begun.set()
                chunks = slowly(chunks)
            return super().put(place, chunks)

    into = Slow(vault._root, vault._ring)
    task = asyncio.create_task(collect(collection(into=into)))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.7)
    left = await shell.run("ps", "-eo", "args")
    assert "responder-" not in left.out.replace("ps -eo args", "")
    assert (await collection().read()).state is Acquired.NONE
    await collect(collection())
    assert [v.faults for v in verify(vault)] == [()]


@pytest.mark.parametrize(
    "evil",
    [
        "/root/$(touch /root/owned)",
        "/root/`touch /root/owned`; touch /root/owned",
        "/root/'\"; touch /root/owned #",
    ],
)
async def test_no_argument_can_get_into_a_command(
    collection: Make, shell: SSHShell, evil: str
) -> None:
    scope = SCOPE.model_copy(
        update={"roots": (evil, "/root/suspect"), "logs": (evil,), "temporary": (evil,)}
    )
    await collect(collection(scope=scope))
    assert (await shell.run("ls", "/root/owned")).status == 2


async def test_evidence_of_another_incident_is_refused(
    collection: Make, vault: FolderVault
) -> None:
    with pytest.raises(
        Refused, match="expected the incident of the run, INC-2026-0099, but found INC-2026-0007"
    ):
        await collection().write(Acquired.ACQUIRED, key="k", until=None, tag="INC-2026-0099")
    assert vault.places() == []


async def test_a_host_that_is_away_is_unknown_and_nothing_is_begun(
    lab: Lab, vault: FolderVault
) -> None:
    lab.cut("web")
    away = SSHShell(lab.access("web"), connect_seconds=1)
    action = CollectEvidence(host="web", incident=INCIDENT)
    one = LiveResponse(vault, away, open_streams(lab.access("web"), away), action, scope=SCOPE)
    with pytest.raises(Unreachable):
        await collect(one)
    assert vault.places() == []
    await away.close()
