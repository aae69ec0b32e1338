"""Running commands, over a real sshd and on this machine."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from activities.local import LocalShell
from activities.shell import Shell, first_line
from activities.shells import open_shell
from activities.ssh import SSHShell
from responder.access import Local, OverSSH
from responder.errors import Unreachable
from tests.lab.hosts import new_key
from tests.lab.network import SSH, Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(params=["ssh", "local"], scope="module", loop_scope="module")
async def either(request: pytest.FixtureRequest, lab: Lab) -> AsyncIterator[Shell]:
    """Both kinds of shell, one after the other."""
    access = lab.access("web") if request.param == "ssh" else Local()
    opened = open_shell(access)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(params=["ssh", "local"], loop_scope="module")
async def impatient(request: pytest.FixtureRequest, lab: Lab) -> AsyncIterator[Shell]:
    """Both kinds of shell, waiting 0.6 seconds for a command."""
    opened: Shell
    if request.param == "ssh":
        opened = SSHShell(lab.access("web"), command_seconds=0.6)
    else:
        opened = LocalShell(Local(), command_seconds=0.6)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    "word",
    ["two words", "$HOME", "`id`", "a;id", "*", "it's", 'say "x"', "", "new\nline", "é", "\\n"],
)
async def test_a_word_arrives_as_it_was_given(either: Shell, word: str) -> None:
    said = await either.run("printf", "[%s]", word)
    assert said.out == f"[{word}]"


async def test_both_streams_and_the_status_come_back(either: Shell) -> None:
    said = await either.run("sh", "-c", "cat; echo no >&2; exit 3", stdin="yes\n")
    assert (said.status, said.out, said.err) == (3, "yes\n", "no\n")
    assert first_line(said) == "no"


async def test_a_long_standard_input_arrives_whole(either: Shell) -> None:
    said = await either.run("wc", "-c", stdin="x" * 1_000_000)
    assert said.out.strip() == "1000000"


async def test_a_command_need_not_listen_to_its_end(either: Shell) -> None:
    said = await either.run("true", stdin="x" * 1_000_000)
    assert said.status == 0


async def test_bytes_that_are_no_text_do_no_harm(either: Shell) -> None:
    said = await either.run("printf", r"\377ok")
    assert said.out == "\ufffdok"


async def test_too_much_output_is_refused_and_the_next_command_works(either: Shell) -> None:
    with pytest.raises(Unreachable, match="printed more than 4194304 bytes"):
        await either.run("head", "-c", "5000000", "/dev/zero")
    assert (await either.run("echo", "here")).out == "here\n"


async def test_what_is_allowed_to_be_said_comes_back_whole(either: Shell) -> None:
    said = await either.run("head", "-c", "4000000", "/dev/zero")
    assert len(said.out) == 4_000_000


@pytest.mark.parametrize(
    "words", [("sleep", "30"), ("sh", "-c", "while :; do echo; sleep .1; done")]
)
async def test_a_command_that_does_not_end_is_given_up(
    impatient: Shell, words: tuple[str, ...]
) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable):
        await impatient.run(*words)
    assert time.monotonic() - began < 4
    assert (await impatient.run("echo", "here")).out == "here\n"


async def test_a_program_that_is_missing_here_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="nft-of-dreams cannot be started here"):
        await LocalShell(Local()).run("nft-of-dreams")


async def test_a_host_that_shows_another_key_is_refused(lab: Lab) -> None:
    access = lab.access("web").model_copy(update={"host_key": lab.access("db").host_key})
    await refused(access, "BadHostKeyException")


async def test_a_host_that_shows_another_kind_of_key_is_refused(lab: Lab) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    other = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    await refused(lab.access("web").model_copy(update={"host_key": other}), "BadHostKeyException")


async def test_a_key_that_the_host_does_not_know_is_refused(lab: Lab, tmp_path: Path) -> None:
    new_key(tmp_path / "stranger")
    access = lab.access("web").model_copy(update={"key_file": tmp_path / "stranger"})
    await refused(access, "AuthenticationException")


async def test_a_key_of_the_agent_is_never_tried(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_key(tmp_path / "stranger")
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").write_bytes(lab.key_file.read_bytes())
    monkeypatch.setenv("HOME", str(home))
    access = lab.access("web").model_copy(update={"key_file": tmp_path / "stranger"})
    await refused(access, "AuthenticationException")


@pytest.mark.parametrize(
    "text", [None, "", "not a key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAA==\n"]
)
async def test_a_key_file_that_cannot_be_used_is_said_so(
    lab: Lab, tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "key").write_text(text)
    await refused(
        lab.access("web").model_copy(update={"key_file": tmp_path / "key"}),
        r"^root@198\.51\.100\.10:22: ",
    )


async def test_a_port_where_nothing_listens_is_unreachable(lab: Lab) -> None:
    await refused(lab.access("web").model_copy(update={"port": 80}), "Connection refused")


async def test_a_port_that_is_no_ssh_is_unreachable(lab: Lab) -> None:
    await refused(lab.access("web").model_copy(update={"port": 8080}), "SSHException")


async def test_many_commands_at_once_share_one_connection(lab: Lab, shell: SSHShell) -> None:
    said = await asyncio.gather(*(shell.run("echo", str(number)) for number in range(12)))
    assert [one.out for one in said] == [f"{number}\n" for number in range(12)]
    assert len(connections(lab)) == 1


async def test_closing_hangs_up_and_the_next_command_comes_back(lab: Lab, shell: SSHShell) -> None:
    await shell.run("true")
    await shell.close()
    await asyncio.sleep(0.1)
    assert connections(lab) == []
    assert (await shell.run("echo", "here")).out == "here\n"


async def test_a_connection_lost_under_a_command_is_unknown(lab: Lab, shell: SSHShell) -> None:
    await shell.run("true")
    running = asyncio.create_task(shell.run("sleep", "30"))
    await asyncio.sleep(0.2)
    lab.run("web", "ss", "-tK", "state", "established", f"sport = :{SSH}")
    with pytest.raises(Unreachable):
        await running
    assert (await shell.run("echo", "here")).out == "here\n"


async def test_a_command_ended_by_a_signal_is_unknown(shell: SSHShell) -> None:
    with pytest.raises(Unreachable, match="before the command did"):
        await shell.run("sh", "-c", "kill -9 $$")


async def test_dead_hosts_hold_up_nobody_else(lab: Lab, shell: SSHShell) -> None:
    lab.cut("db")
    dead = [
        SSHShell(lab.access("db"), connect_seconds=1.5)
        for _ in range(2 + (os.cpu_count() or 1) + 4)
    ]
    waiting = [asyncio.create_task(one.run("true")) for one in dead]
    await asyncio.sleep(0.05)
    began = time.monotonic()
    assert (await shell.run("echo", "here")).out == "here\n"
    assert time.monotonic() - began < 1.2
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {Unreachable}


async def test_a_command_given_up_while_connecting_leaves_no_connection(
    lab: Lab, shell: SSHShell
) -> None:
    await shell.close()
    running = asyncio.create_task(shell.run("true"))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0.5)
    assert connections(lab) == []


def connections(lab: Lab) -> list[str]:
    """The SSH connections that `web` sees."""
    return lab.run("web", "ss", "-Htn", "state", "established", f"sport = :{SSH}").splitlines()


async def refused(access: OverSSH, why: str) -> None:
    opened = SSHShell(access, connect_seconds=2)
    with pytest.raises(Unreachable, match=why):
        await opened.run("true")
    await opened.close()
