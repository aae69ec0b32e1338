"""Certificates renewed on a real host: judged by its files and by a real TLS server's handshakes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes
from pydantic import JsonValue

from activities.certificates import ExpiringCertificates, Renewal, RenewCertificate
from activities.providers.certificate_readings import read_file
from activities.providers.certificates import RenewedCertificate
from activities.resolving.certificates import Certificates
from activities.shells import Shells
from activities.ssh import SSHShell
from responder import certificates as settings
from responder.certificates import CertificateRotation, ManagedCertificate
from responder.errors import Drifted, Refused, Unreachable
from responder.inventory import Host, Inventory
from responder.rotation import Rotation
from responder.secrets.contract import version_for
from tests.lab.network import Lab, address
from tests.providers.tls_server import SERVER, handshake, make_authority, pair_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOST, PORT, FOLDER = "edge2", 80, "/etc/lab-tls"
CERT, KEY = f"{FOLDER}/web.pem", f"{FOLDER}/web.key"
RELOAD = ("pkill", "-HUP", "-F", f"{FOLDER}/pid")
RENEWAL = version_for("INC-2026-0001", "web-tls")
ACTION = RenewCertificate(certificate="web-tls", renewal=RENEWAL)
END = f"""
[ -s {FOLDER}/pid ] || exit 0
pid=$(cat {FOLDER}/pid)
kill "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
"""
PREPARE = f"""
rm -rf {FOLDER}
install -d -m 755 {FOLDER}
getent group lab-tls >/dev/null || groupadd lab-tls
cat > {FOLDER}/server.py
"""
START = f"""
rm -f {FOLDER}/pid
setsid python3 {FOLDER}/server.py {CERT} {KEY} {PORT} {FOLDER}/pid >{FOLDER}/log 2>&1 </dev/null &
while kill -0 $! 2>/dev/null; do [ -s {FOLDER}/pid ] && exit 0; sleep 0.05; done
cat {FOLDER}/log >&2
exit 1
"""


def wanted(**other: Any) -> ManagedCertificate:
    facts: dict[str, Any] = {
        "name": "web-tls",
        "host": HOST,
        "certificate": CERT,
        "key": KEY,
        "reload": RELOAD,
        "common_name": "web.example.com",
        "dns": ["web.example.com"],
        "served": {"address": address(HOST), "port": PORT},
    }
    return ManagedCertificate.model_validate(facts | other)


@pytest.fixture
def authority(tmp_path: Path) -> settings.LocalAuthority:
    return make_authority(tmp_path)


@pytest_asyncio.fixture(loop_scope="module")
async def shell(lab: Lab, authority: settings.LocalAuthority) -> AsyncIterator[SSHShell]:
    """The host with a certificate that has ten days left, and a server that shows it."""
    opened = SSHShell(lab.access(HOST), command_seconds=30)
    said = await opened.run("sh", "-c", PREPARE, stdin=SERVER)
    assert said.status == 0, said.err
    pair = pair_for(authority, wanted(), days=10)
    for path, content, mode in ((CERT, pair[0], "644"), (KEY, pair[1], "640")):
        words = ("install", "-m", mode, "-g", "lab-tls", "/dev/stdin", path)
        assert (await opened.run(*words, stdin=content)).status == 0
    said = await opened.run("sh", "-c", START)
    assert said.status == 0, said.err
    yield opened
    await opened.run("sh", "-c", END)  # its port is free for the next
    await opened.close()


def provision(
    lab: Lab, authority: settings.LocalAuthority, **other: Any
) -> tuple[Certificates, RenewedCertificate]:
    plan = CertificateRotation(authority=authority, certificates=(wanted(**other),))
    host = Host(name=HOST, aliases=("edge-two",), access=lab.access(HOST))
    inventory = Inventory(hosts=(host,), rotation=Rotation(certificates=plan))
    found = Certificates(inventory, Shells())
    resource = found.resolve(ACTION)[HOST]
    assert isinstance(resource, RenewedCertificate)
    return found, resource


async def renew(resource: RenewedCertificate, record: JsonValue) -> None:
    await resource.write(Renewal.RENEWED, key="k", until=None, tag="INC", record=record)


async def listed(shell: SSHShell) -> dict[str, tuple[str, str]]:
    """The files of the pair: mode and group, and the SHA-256 of the content."""
    script = f"cd {FOLDER}; for f in web.*; do stat -c '%n %a:%U:%G' $f; sha256sum < $f; done"
    lines = (await shell.run("sh", "-c", script)).out.splitlines()
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return {looks.split()[0]: (looks.split()[1], digest.split()[0]) for looks, digest in pairs}


async def test_a_certificate_is_renewed_with_a_new_key_and_shown_at_once(
    lab: Lab,
    shell: SSHShell,
    authority: settings.LocalAuthority,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found, resource = provision(lab, authority)
    old, files = handshake(authority, address(HOST), PORT), await listed(shell)
    for asked in (
        ExpiringCertificates(names=("web-tls",)),
        ExpiringCertificates(hosts=("edge-two",)),
    ):
        [facts] = await found.expiring(asked)
        assert 9.9 < facts.days_left <= 10
        assert facts.serial == f"{old.serial_number:x}"
    assert await found.expiring(ExpiringCertificates(names=("other",))) == []
    before = await resource.read()
    assert before.state is Renewal.DUE
    with caplog.at_level("DEBUG"):
        await renew(resource, before.record)
    after = await resource.read()
    assert after.state is Renewal.RENEWED
    new = handshake(authority, address(HOST), PORT)
    assert after.record == {
        "serial": f"{new.serial_number:x}",
        "fingerprint": new.fingerprint(hashes.SHA256()).hex(),
        "not_after": new.not_valid_after_utc.isoformat(),
    }
    assert new.public_key() != old.public_key()
    assert (new.not_valid_after_utc - old.not_valid_after_utc).days >= 79
    assert await found.expiring(ExpiringCertificates(names=("web-tls",))) == []
    now = await listed(shell)
    assert now.keys() == {"web.pem", "web.key", "web.pem.previous", "web.key.previous"}
    assert now["web.pem.previous"] == files["web.pem"]
    assert now["web.key.previous"] == files["web.key"]
    assert (now["web.pem"][0], now["web.key"][0]) == ("644:root:lab-tls", "640:root:lab-tls")
    key = (await shell.run("cat", KEY)).out
    canary = key.splitlines()[2]
    assert len(canary) > 20
    assert canary not in f"{before!r} {after!r} {caplog.text}"
    assert "PRIVATE" not in f"{before!r} {after!r} {caplog.text}"


async def test_a_retry_changes_nothing_and_a_second_renewal_keeps_the_last_pair_only(
    lab: Lab, shell: SSHShell, authority: settings.LocalAuthority
) -> None:
    found, resource = provision(lab, authority)
    before = await resource.read()
    await renew(resource, before.record)
    once = await listed(shell)
    await renew(resource, before.record)
    assert await listed(shell) == once
    again = RenewCertificate(certificate="web-tls", renewal=version_for("INC-2026-0002", "web-tls"))
    other = found.resolve(again)[HOST]
    middle = await other.read()
    assert middle.state is Renewal.DUE
    await other.write(Renewal.RENEWED, key="k2", until=None, tag="INC", record=middle.record)
    assert (await other.read()).state is Renewal.RENEWED
    twice = await listed(shell)
    assert twice["web.key.previous"] == once["web.key"]
    assert len(twice) == 4


async def test_a_key_that_others_could_read_is_readable_by_its_owner_alone_or_its_group(
    lab: Lab, shell: SSHShell, authority: settings.LocalAuthority
) -> None:
    for found, left in (("600", "600"), ("644", "640"), ("777", "640")):
        await shell.run("chmod", found, KEY)
        _, resource = provision(lab, authority)
        renewal = version_for(found, "web-tls")
        resource = RenewedCertificate(shell, wanted(), resource._authority, renewal)
        await renew(resource, None)
        assert (await shell.run("stat", "-c", "%a", KEY)).out.strip() == left


@pytest.mark.parametrize(
    ("reload", "said"),
    [
        (("true",), "the pair before was put back and reloaded"),
        (("false",), "false failed: exit status 1.*the pair before was put back, but false failed"),
    ],
)
async def test_what_is_not_shown_is_put_back(
    lab: Lab,
    shell: SSHShell,
    authority: settings.LocalAuthority,
    reload: tuple[str, ...],
    said: str,
) -> None:
    """A server that was not told still shows the old one: the pair before is put back."""
    _, resource = provision(lab, authority, reload=reload)
    old, files, before = (
        handshake(authority, address(HOST), PORT),
        await listed(shell),
        await resource.read(),
    )
    with pytest.raises(RuntimeError, match=said):
        await renew(resource, before.record)
    assert await listed(shell) == files
    assert await resource.read() == before
    assert handshake(authority, address(HOST), PORT) == old


async def test_a_server_that_is_down_gets_its_pair_back_and_that_is_said(
    lab: Lab, shell: SSHShell, authority: settings.LocalAuthority
) -> None:
    """The reload of a server may be its end, as with a configuration that is wrong since."""
    _, resource = provision(lab, authority, reload=("pkill", "-KILL", "-F", f"{FOLDER}/pid"))
    files, before = await listed(shell), await resource.read()
    with pytest.raises(
        RuntimeError, match=r"over TLS.*Connection.*the pair before was put back, but"
    ):
        await renew(resource, before.record)
    assert await listed(shell) == files


async def test_what_was_left_half_done_is_finished_by_a_retry(
    lab: Lab, shell: SSHShell, authority: settings.LocalAuthority
) -> None:
    """The worker was killed between the renames and the reload: installed is not renewed."""
    _, resource = provision(lab, authority)
    before = await resource.read()

    await resource._install(await read_file(shell, "t", wanted()))
    assert (await resource.read()).state is Renewal.INSTALLED
    _, filed = provision(lab, authority, served=None)
    assert (await filed.read()).state is Renewal.INSTALLED, "the reload is still to come"
    made = (await listed(shell))["web.key"]
    await renew(resource, before.record)
    assert (await resource.read()).state is Renewal.RENEWED
    assert (await listed(shell))["web.key"] == made
    assert (await filed.read()).state is Renewal.RENEWED


async def test_a_kill_between_the_two_renames_loses_no_pair(
    lab: Lab, shell: SSHShell, authority: settings.LocalAuthority
) -> None:
    _, resource = provision(lab, authority)
    files, before = await listed(shell), await resource.read()
    script = f"cp -p {KEY} {KEY}.replacing; cp -p {CERT} {CERT}.replacing; echo other > {KEY}"
    await shell.run("sh", "-c", script)
    _, failing = provision(lab, authority, reload=("true",))
    with pytest.raises(RuntimeError, match="put back"):
        await renew(failing, before.record)
    assert await listed(shell) == files
    await renew(resource, before.record)
    assert (await resource.read()).state is Renewal.RENEWED


async def test_what_somebody_else_renewed_meanwhile_is_left_alone(
    lab: Lab, shell: SSHShell, authority: settings.LocalAuthority
) -> None:
    _, resource = provision(lab, authority)
    before = await resource.read()
    theirs = pair_for(authority, wanted(), days=50)
    await shell.run("tee", CERT, stdin=theirs[0])
    files = await listed(shell)
    with pytest.raises(Drifted, match="that somebody else put there"):
        await renew(resource, before.record)
    assert await listed(shell) == files


async def test_what_cannot_be_renewed_is_refused_or_unknown_before_anything(
    lab: Lab, shell: SSHShell, authority: settings.LocalAuthority
) -> None:
    found, resource = provision(lab, authority)
    before, files = await resource.read(), await listed(shell)
    await shell.run("chmod", "775", FOLDER)
    with pytest.raises(Refused, match="only the account of the runner can write to"):
        await renew(resource, before.record)
    await shell.run("chmod", "755", FOLDER)
    assert await listed(shell) == files
    with pytest.raises(
        Refused, match=r"expected a certificate of certificate_rotation \(web-tls\)"
    ):
        found.resolve(RenewCertificate(certificate="other", renewal=RENEWAL))
    authority.key.chmod(0o644)
    with pytest.raises(Refused, match="expected mode 0600, found 0644"):
        await resource.read()
    authority.key.chmod(0o600)
    for script, said in (
        (f"mv {CERT} {CERT}.x; ln -s {CERT}.x {CERT}", "found link"),
        (f"rm {CERT}", "found none"),
        (f"echo nothing > {CERT}", "found something else"),
    ):
        await shell.run("sh", "-c", script)
        with pytest.raises(Refused, match=said):
            await resource.read()
        [facts] = await found.expiring(ExpiringCertificates(names=("web-tls",)))
        assert said in facts.problem
    lab.cut(HOST)
    _, silent = provision(lab, authority)
    with pytest.raises(Unreachable):
        await silent.read()
    lab.mend(HOST)
