"""Rotating the certificate of a host in a mesh of real Nebula daemons, judged by its tunnel and its peer."""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest
import pytest_asyncio

from activities.local import LocalShell
from activities.mesh_certificates import RotateMeshCertificate
from activities.providers import nebula_pair
from activities.providers.nebula_authority import Authority
from activities.providers.nebula_certificate import HostCertificate
from activities.resolving.mesh import MeshCertificates
from activities.shell import Completed, Shell
from activities.shells import Shells
from activities.ssh import SSHShell
from responder.access import Local
from responder.errors import Refused, Unreachable
from responder.inventory import Host, Inventory
from responder.mesh import Mesh as MeshSettings
from responder.mesh import MeshAuthority, NebulaNode
from tests.lab.mesh import CONFIG, LIGHTHOUSE, LOG, OVERLAY, Mesh, text_of
from tests.lab.network import SERVERS, Lab

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not shutil.which("nebula"), reason="the mesh needs nebula"),
]

NODE = NebulaNode(log=PurePosixPath(LOG))
CRT, KEY, FOLDER = "/etc/nebula/host.crt", "/etc/nebula/host.key", "/etc/nebula/.responder"
Make = Callable[..., HostCertificate]


class Dies:
    """A shell that is cut off at its *nth* command, before that ran or before its answer came."""

    def __init__(self, shell: Shell, nth: int, *, ran: bool) -> None:
        self._shell = shell
        self._left = nth
        self._ran = ran

    async def run(self, *words: str, stdin: str = "") -> Completed:
        self._left -= 1
        if self._left:
            return await self._shell.run(*words, stdin=stdin)
        if self._ran:
            await self._shell.run(*words, stdin=stdin)
        raise Unreachable("cut off")

    async def close(self) -> None:
        await self._shell.close()


class Killed:
    """A shell in which one script is killed by SIGKILL, right after its *nth* rename."""

    def __init__(self, shell: Shell, script: str, nth: int) -> None:
        self._shell = shell
        self._script = script
        self._before = (
            f'n=0; mv() {{ command mv "$@"; n=$((n + 1)); [ $n -lt {nth} ] || kill -9 $$; }}\n'
        )

    async def run(self, *words: str, stdin: str = "") -> Completed:
        if self._script in words:
            words = (*words[:2], self._before + self._script, *words[3:])
        return await self._shell.run(*words, stdin=stdin)

    async def close(self) -> None:
        await self._shell.close()


class Probes(threading.Thread):
    """A word through the tunnel each 0.2 seconds, and when none came back."""

    def __init__(self, mesh: Mesh) -> None:
        super().__init__(daemon=True)
        self._mesh = mesh
        self._over = threading.Event()
        self.answered = 0
        self.missed: list[float] = []

    def run(self) -> None:
        """Probe until it is over."""
        while not self._over.wait(0.2):
            if self._mesh.talks("db", "web"):
                self.answered += 1
            else:
                self.missed.append(time.monotonic())

    def end(self) -> None:
        """Probe no more."""
        self._over.set()
        self.join()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shells(lab: Lab) -> AsyncIterator[dict[str, SSHShell]]:
    """A kept connection to each server."""
    opened = {name: SSHShell(lab.access(name)) for name in SERVERS}
    yield opened
    for one in opened.values():
        await one.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the mesh's authority is."""
    return tmp_path_factory.mktemp("mesh")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def signed(lab: Lab, shells: dict[str, SSHShell], folder: Path) -> AsyncIterator[Mesh]:
    """The mesh with its certificates; no daemon runs after the module."""
    made = Mesh(lab, folder, shells)
    made.cert(
        "sign", "-name", "web", "-ip", f"{OVERLAY['web']}/24", "-groups", "servers,web",
        "-subnets", "198.51.100.128/28", "-duration", "1h",
        "-out-crt", "grouped.crt", "-out-key", "grouped.key",
    )  # fmt: skip
    for kind in ("crt", "key"):
        (folder / f"grouped.{kind}").rename(folder / f"web.{kind}")
    yield made
    for name in SERVERS:
        await made.stop(name)
    await shells["web"].run("rm", "-rf", FOLDER, CRT, KEY)


@pytest_asyncio.fixture(loop_scope="module")
async def mesh(signed: Mesh, shells: dict[str, SSHShell]) -> Mesh:
    """The mesh with its first certificates, fresh daemons, and a tunnel between the two nodes."""
    await shells["web"].run("rm", "-rf", FOLDER, CRT, KEY)
    await signed.set_up()
    await signed.up()
    return signed


def signing(folder: Path, **more: object) -> MeshAuthority:
    found = {"certificate": folder / "ca.crt", "key": folder / "ca.key", **more}
    return MeshAuthority.model_validate(
        {"access": Local(), "duration": timedelta(minutes=30), **found}
    )


@pytest.fixture
def make(shells: dict[str, SSHShell], folder: Path) -> Make:
    """The certificate of `web`, as one incident has it."""

    def made(
        shell: Shell | None = None,
        authority: Shell | None = None,
        incident: str = "INC-1",
        node: NebulaNode = NODE,
        **more: object,
    ) -> HostCertificate:
        return HostCertificate(
            shell or shells["web"],
            "web",
            node,
            incident,
            Authority(authority or LocalShell(Local()), signing(folder, **more)),
            {name: (shells[name], NebulaNode()) for name in ("db", LIGHTHOUSE)},
        )

    return made


async def rotate(one: HostCertificate) -> None:
    await one.write(True, key="step", until=None, tag="INC-1")


async def details(shell: Shell) -> dict[str, object]:
    said = await shell.run("nebula-cert", "print", "-json", "-path", CRT)
    found: dict[str, object] = json.loads(said.out)
    return found


async def shown_to_peer(mesh: Mesh, fingerprint: str) -> None:
    """Return once `db`, started anew, finished a handshake with that certificate."""
    await mesh.start("db")
    assert mesh.talks("db", "web", within=40), await mesh.said()
    await handshake(mesh, fingerprint)


async def handshake(mesh: Mesh, fingerprint: str) -> None:
    """Return once the log of `db` has a handshake with that certificate."""
    give_up = time.monotonic() + 15
    while not any(
        "Handshake message" in line and fingerprint in line
        for line in (await mesh.get("db", LOG)).splitlines()
    ):
        assert time.monotonic() < give_up, "no handshake with the new certificate"
        await asyncio.sleep(0.2)


async def folders(shell: Shell) -> list[str]:
    return (await shell.run("ls", "-A", FOLDER)).out.split()


async def test_a_new_pair_is_used_and_the_tunnel_is_never_down(
    mesh: Mesh, make: Make, shells: dict[str, SSHShell]
) -> None:
    web = shells["web"]
    old, old_key = await details(web), await mesh.get("web", KEY)
    probes = Probes(mesh)
    probes.start()
    one = make()
    before = await one.read()
    assert before.state is False
    assert before.record == {"old": old["fingerprint"], "new": None, "not_after": None}
    await asyncio.sleep(1)
    await rotate(one)
    new = await details(web)
    await asyncio.sleep(3)
    probes.end()
    assert probes.missed == []
    assert probes.answered > 10
    changed = {"notAfter", "notBefore", "publicKey"}
    was, now = (
        {k: v for k, v in found["details"].items() if k not in changed}  # type: ignore[attr-defined]
        for found in (old, new)
    )
    assert now == was
    assert now["groups"] == ["servers", "web"]
    assert old["details"]["publicKey"] != new["details"]["publicKey"]  # type: ignore[index]
    after = await one.read()
    not_after = new["details"]["notAfter"].replace("Z", "+00:00")  # type: ignore[index]
    assert after.state is True
    assert after.record == {
        "old": old["fingerprint"], "new": new["fingerprint"], "not_after": not_after
    }  # fmt: skip
    left = datetime.fromisoformat(not_after) - datetime.now(UTC)
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    assert await one.read() == after
    assert await mesh.get("web", KEY) != old_key
    assert sorted(await folders(web)) == ["current", "lock", "to.INC-1"], "the old key is gone"
    mode = await web.run("stat", "-Lc", "%a %U", KEY)
    assert mode.out == (await shells["db"].run("stat", "-Lc", "%a %U", KEY)).out
    await rotate(one)
    assert await one.read() == after, "once an incident"
    await shown_to_peer(mesh, str(new["fingerprint"]))


async def test_once_the_old_certificate_is_listed_the_tunnel_is_made_anew_with_the_new_one(
    mesh: Mesh, make: Make, shells: dict[str, SSHShell]
) -> None:
    await rotate(make())
    new = await details(shells["web"])
    probes = Probes(mesh)
    probes.start()
    await asyncio.sleep(0.5)
    for name in ("db", LIGHTHOUSE):
        listed = f'  blocklist: ["{mesh.fingerprint("web")}"]'
        await mesh.put(name, CONFIG, text_of(name, blocklist=listed))
        await mesh.reload(name)
    await handshake(mesh, str(new["fingerprint"]))
    await asyncio.sleep(1)
    probes.end()
    assert not probes.missed or probes.missed[-1] - probes.missed[0] < 5, "seconds"
    assert mesh.talks("db", "web", within=40), await mesh.said()


async def test_the_next_incident_rotates_again_and_a_restarted_daemon_takes_what_is_there(
    mesh: Mesh, make: Make, shells: dict[str, SSHShell]
) -> None:
    await rotate(make())
    first = await details(shells["web"])
    second = make(incident="INC-2")
    assert (await second.read()).state is False
    await rotate(second)
    new = await details(shells["web"])
    record = (await second.read()).record
    assert isinstance(record, dict)
    assert (record["old"], record["new"]) == (first["fingerprint"], new["fingerprint"])
    assert sorted(await folders(shells["web"])) == ["current", "lock", "to.INC-2"]
    assert (await make().read()).state is False
    await asyncio.sleep(3)  # when a daemon began is known to the second
    await mesh.start("web")
    assert mesh.talks("db", "web", within=40), await mesh.said()
    assert (await second.read()).state is True


# What a rotation runs on the host: configuration, pair; key, place, links, swap; configuration, pair; reload.
@pytest.mark.parametrize("ran", [False, True])
@pytest.mark.parametrize("nth", range(3, 10))
async def test_after_a_death_between_any_two_steps_a_retry_ends_with_one_new_certificate(
    mesh: Mesh, make: Make, shells: dict[str, SSHShell], nth: int, *, ran: bool
) -> None:
    web = shells["web"]
    old = await details(web)
    with pytest.raises(Unreachable, match="cut off"):
        await rotate(make(Dies(web, nth, ran=ran)))
    assert mesh.talks("db", "web")
    crt = await web.run("nebula", "-test", "-config", CONFIG)
    assert crt.status == 0, "a daemon that starts now finds a whole pair"
    await rotate(make())
    new = await details(web)
    found = await make().read()
    assert found.state is True
    assert isinstance(found.record, dict)
    assert (found.record["old"], found.record["new"]) == (old["fingerprint"], new["fingerprint"])
    assert sorted(await folders(web)) == ["current", "lock", "to.INC-1"]
    assert mesh.talks("db", "web")
    await shown_to_peer(mesh, str(new["fingerprint"]))


@pytest.mark.parametrize(
    ("script", "nth"),
    [
        *((nebula_pair.PREPARE, nth) for nth in (1, 2)),
        (nebula_pair.PLACE, 1),
        *((nebula_pair.ADOPT, nth) for nth in (1, 2, 3, 4)),
        (nebula_pair.SWAP, 1),
    ],
    ids=["key", "present", "place", "copy", "current", "key link", "certificate link", "swap"],
)
async def test_after_a_kill_at_any_rename_the_pair_is_whole_and_a_retry_ends_it(
    mesh: Mesh, make: Make, shells: dict[str, SSHShell], script: str, nth: int
) -> None:
    web = shells["web"]
    old = await details(web)
    with pytest.raises((RuntimeError, Unreachable)):
        await rotate(make(Killed(web, script, nth)))
    whole = await web.run("nebula", "-test", "-config", CONFIG)
    assert whole.status == 0, whole.err
    await rotate(make())
    found = await make().read()
    assert found.state is True
    assert isinstance(found.record, dict)
    new = (await details(web))["fingerprint"]
    assert (found.record["old"], found.record["new"]) == (old["fingerprint"], new)
    assert new != old["fingerprint"]
    assert sorted(await folders(web)) == ["current", "lock", "to.INC-1"]
    assert mesh.talks("db", "web")


async def test_a_daemon_whose_log_does_not_tell_of_it_is_not_believed_to_use_the_new_one(
    mesh: Mesh, make: Make, shells: dict[str, SSHShell]
) -> None:
    await mesh.put("web", "/var/log/other.log", "")
    silent = NODE.model_copy(update={"log": PurePosixPath("/var/log/other.log")})
    with pytest.raises(RuntimeError, match=r"not known to use it: .* does not tell"):
        await rotate(make(node=silent))
    assert (await make().read()).state is False
    assert any(one.startswith("from.") for one in await folders(shells["web"])), "the old key stays"
    await rotate(make())
    assert (await make().read()).state is True


async def test_a_daemon_without_a_log_is_told(mesh: Mesh, make: Make) -> None:
    await rotate(make(node=NebulaNode()))
    assert (await make(node=NebulaNode()).read()).state is True
    assert mesh.talks("db", "web")


@pytest.mark.parametrize("nth", [1, 2])
async def test_after_a_death_at_the_authority_a_retry_ends_with_one_new_certificate(
    mesh: Mesh, make: Make, shells: dict[str, SSHShell], nth: int
) -> None:
    old = await details(shells["web"])
    with pytest.raises(Unreachable, match="cut off"):
        await rotate(make(authority=Dies(LocalShell(Local()), nth, ran=True)))
    assert await details(shells["web"]) == old
    await rotate(make())
    assert (await make().read()).state is True
    assert mesh.talks("db", "web")


async def test_another_authority_is_refused_and_the_old_certificate_goes_on(
    mesh: Mesh, make: Make, shells: dict[str, SSHShell], tmp_path: Path
) -> None:
    old = await details(shells["web"])
    here = (str(tmp_path / "ca.crt"), str(tmp_path / "ca.key"))
    mesh.cert("ca", "-name", "lab", "-duration", "24h", "-out-crt", here[0], "-out-key", here[1])
    wrong = make(certificate=here[0], key=here[1])
    with pytest.raises(RuntimeError, match=r"expected its certificate to be signed by .* goes on"):
        await rotate(wrong)
    with pytest.raises(RuntimeError, match=r"nothing was signed: .*match.* goes on"):
        await rotate(make(key=here[1]))
    with pytest.raises(RuntimeError, match=r"expires after signing certificate.* goes on"):
        await rotate(make(duration=timedelta(days=30)))
    assert await details(shells["web"]) == old
    assert (await wrong.read()).state is False
    assert mesh.talks("db", "web")


async def test_a_certificate_that_the_hosts_own_authority_does_not_know_is_not_put_in_place(
    mesh: Mesh, make: Make, shells: dict[str, SSHShell], tmp_path: Path
) -> None:
    here = (str(tmp_path / "ca.crt"), str(tmp_path / "ca.key"))
    mesh.cert("ca", "-name", "lab", "-duration", "24h", "-out-crt", here[0], "-out-key", here[1])
    await mesh.put("web", "/etc/nebula/ca.crt", (tmp_path / "ca.crt").read_text())
    old = await details(shells["web"])
    with pytest.raises(RuntimeError, match="the old certificate goes on"):
        await rotate(make())
    assert await details(shells["web"]) == old
    assert (await shells["web"].run("test", "-L", CRT)).status != 0
    assert mesh.talks("db", "web")


async def test_a_host_that_is_shut_out_is_given_nothing_new(mesh: Mesh, make: Make) -> None:
    listed = f'  blocklist: ["{mesh.fingerprint("web")}"]'
    await mesh.put("db", CONFIG, text_of("db", blocklist=listed))
    with pytest.raises(RuntimeError, match=r"db has its certificate in pki\.blocklist"):
        await rotate(make())
    assert (await make().read()).state is False


async def test_anothers_certificate_is_not_renewed(
    mesh: Mesh, make: Make, folder: Path, shells: dict[str, SSHShell]
) -> None:
    for kind in ("crt", "key"):
        await mesh.put("web", f"/etc/nebula/host.{kind}", (folder / f"db.{kind}").read_text())
    with pytest.raises(
        RuntimeError, match="expected a certificate of web with one address, found db"
    ):
        await rotate(make())
    assert (await shells["web"].run("test", "-L", CRT)).status != 0


async def test_without_a_daemon_nothing_is_changed(mesh: Mesh, make: Make) -> None:
    await mesh.stop("web")
    with pytest.raises(RuntimeError, match=r"expected a nebula daemon .* nothing was changed"):
        await rotate(make())


async def test_the_inventory_says_whose_certificate_is_rotated() -> None:
    inventory = Inventory(
        hosts=(
            Host(name="web", access=Local(), nebula=NebulaNode()),
            Host(name="db", access=Local(), nebula=NebulaNode(fingerprint="0" * 64)),
            Host(name="far", nebula=NebulaNode()),
        ),
        mesh=MeshSettings(authority=MeshAuthority(access=Local())),
    )
    shells = Shells()
    found = MeshCertificates(inventory, shells)
    (made,) = found.resolve(RotateMeshCertificate(host="web", incident="INC-1")).items()
    assert (made[0], made[1].name) == ("nebula/web", "nebula-certificate/web/INC-1")
    assert found.resolve(RotateMeshCertificate(host="far", incident="INC-1")) == {}
    with pytest.raises(Refused, match=r"expected no inventory\.hosts\[\]\.nebula\.fingerprint"):
        found.resolve(RotateMeshCertificate(host="db", incident="INC-1"))
    nobody = MeshCertificates(inventory.model_copy(update={"mesh": MeshSettings()}), shells)
    assert nobody.resolve(RotateMeshCertificate(host="web", incident="INC-1")) == {}
