"""The level at which sshd logs, judged by what a real sshd then says of a sign-in."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from activities.monitoring import Monitoring
from activities.providers.sshd_log_level import SshdLogLevel
from activities.ssh import SSHShell
from responder.errors import Drifted, Unreachable
from tests.lab.network import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

RAISED, NORMAL = Monitoring.RAISED, Monitoring.NORMAL
MAIN, OURS = "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/00-responder.conf"
INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf\n"
_RESTART = 0.5  # seconds; sshd begins anew at a SIGHUP, and listens again only then
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
    begun = beginnings(lab)
    assert (await shell.run("tee", MAIN, stdin=text)).status == 0
    assert (await shell.run("sh", "-c", _HUP)).status == 0
    await begins_anew(lab, begun)


def beginnings(lab: Lab) -> int:
    return lab._hosts["edge2"].log.count("Server listening on 0.0.0.0")


async def begins_anew(lab: Lab, begun: int) -> None:
    """Wait until sshd listens again after it was told to begin anew."""
    async with asyncio.timeout(20):
        while beginnings(lab) == begun:
            await asyncio.sleep(0.05)


async def put(point: SshdLogLevel, state: Monitoring) -> None:
    await point.write(state, key="step", until=None, tag="INC-1", record={"level": "INFO"})


async def said_of_a_sign_in(lab: Lab) -> str:
    """What sshd logs while somebody signs in."""
    await asyncio.sleep(_RESTART)
    before = len(lab._hosts["edge2"].log)
    visitor = SSHShell(lab.access("edge2"))
    async with asyncio.timeout(20):  # on a busy machine it takes a while to begin anew
        while True:
            try:
                assert (await visitor.run("true")).status == 0
                break
            except Unreachable:
                await asyncio.sleep(0.1)
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
        await put(point, RAISED)
        assert (await point.read()).state is RAISED
        assert "Connection from 198.51.100.5" in await said_of_a_sign_in(lab)
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
