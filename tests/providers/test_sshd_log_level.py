"""The level at which sshd logs, judged by what a real sshd then says of a sign-in."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from activities.monitoring import Monitoring
from activities.providers.sshd_log_level import SshdLogLevel
from activities.ssh import SSHShell
from responder.errors import Drifted
from tests.lab.network import SSH, Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

RAISED, NORMAL = Monitoring.RAISED, Monitoring.NORMAL
MAIN, OURS = "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/00-responder.conf"
INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf\n"
_HUP = 'kill -HUP "$(cat /run/sshd.pid)"'


@pytest_asyncio.fixture(loop_scope="module")
async def host(lab: Lab) -> AsyncIterator[SSHShell]:
    """`edge2`, whose sshd logs as Debian's does: at INFO, with drop-in files."""
    shell = SSHShell(lab.access("edge2"))
    kept = (await shell.run("cat", MAIN)).out
    await configure(lab, shell, INCLUDE + kept.replace("LogLevel VERBOSE", "LogLevel INFO"))
    yield shell
    await shell.run("rm", "-f", OURS)
    await configure(lab, shell, kept)
    await shell.close()


async def configure(lab: Lab, shell: SSHShell, text: str) -> None:
    assert (await shell.run("tee", MAIN, stdin=text)).status == 0
    async with beginning_anew(lab, shell):
        assert (await shell.run("sh", "-c", _HUP)).status == 0


@asynccontextmanager
async def beginning_anew(lab: Lab, shell: SSHShell) -> AsyncIterator[None]:
    """
    Wait, at the end, until sshd has begun anew as it was told to.

    The file of its number is the last that it writes: then it listens, and hears the next SIGHUP,
    which it does not yet when it says in its log that it listens.
    """
    before = await _begun(lab, shell)
    yield
    give_up = time.monotonic() + 20
    while await _begun(lab, shell) == before or not lab.probe("bastion", "edge2", SSH):
        assert time.monotonic() < give_up, lab._hosts["edge2"].log[-1500:]
        await asyncio.sleep(0.02)


async def _begun(lab: Lab, shell: SSHShell) -> str:
    """When sshd wrote its number down, once it has: the file is emptied first."""
    give_up = time.monotonic() + 20
    while True:
        said = await shell.run("sh", "-c", "[ -s /run/sshd.pid ] && stat -c %.Y /run/sshd.pid")
        if said.status == 0:
            return said.out
        assert time.monotonic() < give_up, lab._hosts["edge2"].log[-1500:]
        await asyncio.sleep(0.02)


async def put(point: SshdLogLevel, state: Monitoring) -> None:
    await point.write(state, key="step", until=None, tag="INC-1", record={"level": "INFO"})


async def said_of_a_sign_in(lab: Lab) -> str:
    """What sshd logs while somebody signs in."""
    before = len(lab._hosts["edge2"].log)
    visitor = SSHShell(lab.access("edge2"))
    assert (await visitor.run("true")).status == 0
    await visitor.close()
    return lab._hosts["edge2"].log[before:]


async def folder(shell: SSHShell) -> str:
    return (
        await shell.run("sh", "-c", "cd /etc/ssh && find . -type f | sort | xargs sha256sum")
    ).out


async def test_sign_ins_are_logged_in_detail_until_it_is_undone(lab: Lab, host: SSHShell) -> None:
    before = await folder(host)
    point = SshdLogLevel(host, "edge2")
    found = await point.read()
    assert (found.state, found.record) == (NORMAL, {"level": "INFO"})
    assert "Connection from" not in await said_of_a_sign_in(lab)
    for _ in range(2):
        async with beginning_anew(lab, host):
            await put(point, RAISED)
        assert (await point.read()).state is RAISED
        assert "Connection from 198.51.100.5" in await said_of_a_sign_in(lab)
    async with beginning_anew(lab, host):
        await put(point, NORMAL)
    for _ in range(2):
        await put(point, NORMAL)
        assert await point.read() == found
        assert "Connection from" not in await said_of_a_sign_in(lab)
    assert await folder(host) == before


async def test_where_the_folder_is_not_included_nothing_is_changed(
    lab: Lab, host: SSHShell
) -> None:
    main = (await host.run("cat", MAIN)).out
    await configure(lab, host, main.removeprefix(INCLUDE))
    before = await folder(host)
    with pytest.raises(
        RuntimeError, match=r"sshd-log/edge2: expected sshd to go by .* nothing was"
    ):
        await put(SshdLogLevel(host, "edge2"), RAISED)
    assert await folder(host) == before
    assert await said_of_a_sign_in(lab)


@pytest.mark.parametrize("text", ["LogLevel INFO\n", "LogLevel VERBOSE\n"])
async def test_a_file_of_that_name_that_is_not_ours_is_left_alone(
    host: SSHShell, text: str
) -> None:
    await host.run("tee", OURS, stdin=text)
    before = await folder(host)
    with pytest.raises(RuntimeError, match="found another; nothing was changed"):
        await put(SshdLogLevel(host, "edge2"), RAISED)
    with pytest.raises(Drifted, match="found another; it was left alone"):
        await put(SshdLogLevel(host, "edge2"), NORMAL)
    assert await folder(host) == before


async def test_a_level_that_was_high_before_is_found_so(lab: Lab, host: SSHShell) -> None:
    main = (await host.run("cat", MAIN)).out
    await configure(lab, host, main.replace("LogLevel INFO", "LogLevel DEBUG1"))
    found = await SshdLogLevel(host, "edge2").read()
    assert (found.state, found.record) == (RAISED, {"level": "DEBUG"})  # sshd's name for it


async def test_a_configuration_that_sshd_does_not_take_is_not_reloaded(
    lab: Lab, host: SSHShell
) -> None:
    main = (await host.run("cat", MAIN)).out
    await host.run("tee", MAIN, stdin=f"{main}NoSuchWord yes\n")
    before = await folder(host)
    with pytest.raises(RuntimeError, match="nothing was changed"):
        await put(SshdLogLevel(host, "edge2"), RAISED)
    assert await folder(host) == before
    assert await said_of_a_sign_in(lab)
    await host.run("tee", MAIN, stdin=main)
