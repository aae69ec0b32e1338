"""SSH keys taken away and given on a real host: judged by sshd, by sign-ins and by open sessions."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.providers.authorized_keys import AuthorizedKey
from activities.providers.krl import RevokedKey
from activities.providers.ssh_sessions import sessions_of
from activities.public_keys import parse_line
from activities.resolving.ssh_keys import SshKeys
from activities.shells import Shells
from activities.ssh import SSHShell
from activities.ssh_keys import AddSshKey, RemoveSshKey, RevokeSshKey, Trust
from responder.access import OverSSH
from responder.errors import Refused, Unreachable
from responder.inventory import Host, Inventory
from tests.lab.network import Lab
from tests.providers.signing_in import FILE, HOME, PREPARE, Keys, lets_in, signed_in

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def _prepared(lab: Lab) -> AsyncIterator[None]:
    shell = SSHShell(lab.access("edge2"), command_seconds=30)
    said = await shell.run("sh", "-c", PREPARE)
    assert said.status == 0, said.err
    await shell.close()
    yield


@pytest_asyncio.fixture(loop_scope="module")
async def shell(lab: Lab) -> AsyncIterator[SSHShell]:
    """The runner's connection to `edge2`."""
    opened = SSHShell(lab.access("edge2"))
    await opened.run("sh", "-c", f"install -d -m 700 -o ana -g ana {HOME}/.ssh; rm -f {FILE}")
    yield opened
    await opened.run("pkill", "-KILL", "-u", "ana")
    await opened.close()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


async def put(shell: SSHShell, content: str, mode: str = "600") -> None:
    words = ("install", "-m", mode, "-o", "ana", "-g", "ana", "/dev/stdin", FILE)
    said = await shell.run(*words, stdin=content)
    assert said.status == 0, said.err


async def content(shell: SSHShell, path: str = FILE) -> str:
    return (await shell.run("cat", path)).out


def held(shell: SSHShell, keys: Keys, name: str, *, add: bool = False) -> AuthorizedKey:
    line = keys.public[name] if add else None
    return AuthorizedKey(shell, "edge2", "ana", keys.fingerprint(name), line=line)


async def test_a_removed_key_is_refused_its_session_ends_and_another_keys_goes_on(
    lab: Lab, shell: SSHShell, keys: Keys
) -> None:
    await put(shell, f"{keys.public['old']}\n{keys.public['new']}\n")
    key = held(shell, keys, "old")
    before = await key.read()
    assert before.state is Trust.TRUSTED
    with signed_in(lab, keys, "old") as old, signed_in(lab, keys, "new") as new:
        await key.write(Trust.REFUSED, key="s", until=None, tag="INC", record=before.record)
        assert (await key.read()).state is Trust.REFUSED
        assert old.ends_within(1)
        assert not new.ends_within(0.5)
    assert not lets_in(lab, keys, "old")
    assert lets_in(lab, keys, "new")


async def test_where_nobody_logged_the_key_all_sessions_of_the_account_end(
    lab: Lab, shell: SSHShell, keys: Keys
) -> None:
    await put(shell, f"{keys.public['old']}\n{keys.public['new']}\n")
    key = held(shell, keys, "old")
    before = await key.read()
    with signed_in(lab, keys, "new") as new:
        await shell.run("truncate", "-s", "0", "/var/log/auth.log")
        assert len((await sessions_of(shell, keys.fingerprint("old"), "ana")).unknown) == 1
        await key.write(Trust.REFUSED, key="s", until=None, tag="INC", record=before.record)
        assert new.ends_within(1)
    assert (await shell.run("true")).status == 0


async def test_a_forged_line_in_the_log_spares_nobody(
    lab: Lab, shell: SSHShell, keys: Keys
) -> None:
    await put(shell, f"{keys.public['old']}\n")
    key = held(shell, keys, "old")
    before = await key.read()
    with signed_in(lab, keys, "old") as old:
        mine = (await sessions_of(shell, keys.fingerprint("old"), "ana")).of_key
        forged = (
            f"Nov 21 23:00:00 edge2 sshd[{mine[0]}]: Accepted publickey for ana from 198.51.100.5 port 1 "
            f"ssh2: ED25519 {keys.fingerprint('other')}\n"
        )
        await shell.run("tee", "-a", "/var/log/auth.log", stdin=forged)
        await key.write(Trust.REFUSED, key="s", until=None, tag="INC", record=before.record)
        assert old.ends_within(1)


async def test_an_open_session_of_a_key_that_is_in_no_file_is_still_something_to_end(
    lab: Lab, shell: SSHShell, keys: Keys
) -> None:
    await put(shell, f"{keys.public['old']}\n")
    key = held(shell, keys, "old")
    with signed_in(lab, keys, "old") as old:
        await put(shell, "")
        found = await key.read()
        assert found.state is Trust.LINGERING
        action = RemoveSshKey(host="edge2", user="ana", fingerprint=keys.fingerprint("old"))
        assert action.desired(found.state) is Trust.REFUSED
        assert action.lapsed(found.state) is Trust.REFUSED
        await key.write(Trust.REFUSED, key="s", until=None, tag="INC", record=found.record)
        assert old.ends_within(1)
    assert (await key.read()).state is Trust.REFUSED


@pytest.mark.parametrize(
    "shape",
    [
        "# ours\n{old}\n{new}\n",
        "{new}\n\n{old}",
        'from="198.51.100.0/24",command="echo \\"a b\\"",restrict {old}\n{new}\n# end',
        "{old}\n{new}\n{old} again\n",
        "\t{old}  \r\n{new}\n",
        "{old}",
    ],
)
async def test_the_undo_restores_the_exact_line_at_its_place(
    shell: SSHShell, keys: Keys, shape: str
) -> None:
    text = shape.format(**keys.public)
    await put(shell, text, mode="640")
    looks = "%U %G %a %s"
    stat = (await shell.run("stat", "-c", looks, FILE)).out
    key = held(shell, keys, "old")
    before = await key.read()
    assert before.state is Trust.TRUSTED
    await key.write(Trust.REFUSED, key="s", until=None, tag="INC", record=before.record)
    assert keys.public["old"].split()[1] not in await content(shell)
    assert (await key.read()).state is Trust.REFUSED
    await key.write(Trust.TRUSTED, key="u", until=None, tag="INC", record=before.record)
    raw = (await shell.run("base64", "-w0", FILE)).out
    assert base64.b64decode(raw).decode() == text
    assert (await shell.run("stat", "-c", looks, FILE)).out == stat
    assert await key.read() == before


async def test_what_others_changed_meanwhile_survives_the_undo(shell: SSHShell, keys: Keys) -> None:
    await put(shell, f"{keys.public['old']}\n")
    key = held(shell, keys, "old")
    before = await key.read()
    await key.write(Trust.REFUSED, key="s", until=None, tag="INC", record=before.record)
    await put(shell, f"# new owner\n{keys.public['other']}")
    await key.write(Trust.TRUSTED, key="u", until=None, tag="INC", record=before.record)
    assert await content(shell) == f"{keys.public['old']}\n# new owner\n{keys.public['other']}"


async def test_an_added_key_lets_in_and_leaves_no_trace_when_it_is_undone(
    lab: Lab, shell: SSHShell, keys: Keys
) -> None:
    await shell.run("rm", "-rf", f"{HOME}/.ssh")
    key = held(shell, keys, "new", add=True)
    before = await key.read()
    assert before.state is Trust.REFUSED
    for _ in range(2):
        await key.write(Trust.TRUSTED, key="s", until=None, tag="INC", record=before.record)
    assert await content(shell) == f"{keys.public['new']}\n"
    assert (await shell.run("stat", "-c", "%U %a", FILE)).out == "ana 600\n"
    assert lets_in(lab, keys, "new")
    await key.write(Trust.REFUSED, key="u", until=None, tag="INC", record=before.record)
    assert not lets_in(lab, keys, "new")
    assert (await shell.run("test", "-e", FILE)).status == 1


async def test_a_link_in_the_place_of_the_file_is_not_followed(shell: SSHShell, keys: Keys) -> None:
    await shell.run("ln", "-s", "/root/.ssh/authorized_keys", FILE)
    with pytest.raises(Unreachable, match=r"expected a regular file at .*, found link"):
        await held(shell, keys, "old").read()


async def test_a_folder_of_the_users_own_is_written_as_the_user(
    shell: SSHShell, keys: Keys
) -> None:
    await put(shell, f"{keys.public['old']}\n")
    await shell.run("chown", "root:root", FILE)  # what ana may not replace, root does not for her
    key = held(shell, keys, "old")
    before = await key.read()
    with pytest.raises(RuntimeError, match=r"could not be replaced: .*Permission denied"):
        await key.write(Trust.REFUSED, key="s", until=None, tag="INC", record=before.record)
    assert await content(shell) == f"{keys.public['old']}\n"
    assert (await shell.run("ls", "-A", f"{HOME}/.ssh")).out == "authorized_keys\n"


async def test_an_account_that_does_not_exist_lets_nothing_in(shell: SSHShell, keys: Keys) -> None:
    nobody = AuthorizedKey(shell, "edge2", "mallory", keys.fingerprint("old"))
    assert (await nobody.read()).state is Trust.REFUSED


async def test_a_revoked_key_is_refused_to_everybody_and_its_session_ends(
    lab: Lab, shell: SSHShell, keys: Keys
) -> None:
    await put(shell, f"{keys.public['old']}\n{keys.public['new']}\n")
    key = RevokedKey(shell, "edge2", keys.public["old"])
    assert (await key.read()).state is Trust.TRUSTED
    with signed_in(lab, keys, "old") as old, signed_in(lab, keys, "new") as new:
        for _ in range(2):
            await key.write(Trust.REFUSED, key="s", until=None, tag="INC")
        assert old.ends_within(1)
        assert not new.ends_within(0.5)
    assert (await key.read()).state is Trust.REFUSED
    assert not lets_in(lab, keys, "old")
    assert lets_in(lab, keys, "new")
    also = RevokedKey(shell, "edge2", keys.public["other"])
    await also.write(Trust.REFUSED, key="s", until=None, tag="INC")
    assert (await key.read()).state is Trust.REFUSED
    with pytest.raises(RuntimeError, match="a revoked key is never trusted again"):
        await key.write(Trust.TRUSTED, key="u", until=None, tag="INC")


async def test_without_a_revocation_list_revoking_is_unknown_and_says_what_to_do(
    lab: Lab, keys: Keys
) -> None:
    shell = SSHShell(lab.access("web"))
    with pytest.raises(Unreachable, match="sshd has no RevokedKeys there; set it and reload sshd"):
        await RevokedKey(shell, "web", keys.public["old"]).read()
    await shell.close()


async def test_the_runners_own_key_is_refused_as_a_target(lab: Lab, keys: Keys) -> None:
    access = lab.access("edge2")
    own = next(iter((lab.key_file.parent / "edge2" / "authorized_keys").read_text().splitlines()))
    parsed = parse_line(own)
    assert parsed is not None
    inventory = Inventory(hosts=(Host(name="edge2", access=access),))
    ssh_keys = SshKeys(inventory, Shells())
    for action in (
        RemoveSshKey(host="edge2", user="root", fingerprint=parsed.fingerprint),
        RevokeSshKey(host="edge2", key=own),
        AddSshKey(host="edge2", user="ana", key=own),
    ):
        with pytest.raises(Refused, match="this is the key by which the runner reaches edge2"):
            ssh_keys.resolve(action)
    other = RemoveSshKey(host="edge2", user="root", fingerprint=keys.fingerprint("old"))
    assert list(ssh_keys.resolve(other)) == ["edge2"]
    weak = OverSSH(**{**access.model_dump(), "user": "ops"})
    limited = SshKeys(Inventory(hosts=(Host(name="edge2", access=weak),)), Shells())
    with pytest.raises(Refused, match="expected root or sudo on edge2, found ops without sudo"):
        limited.resolve(other)
