"""Who holds connections does not keep anybody out; who is served is not cut off."""

import asyncio
import hashlib
import hmac
import json
import resource
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from responder.api.connections import address_of, party
from responder.api.listening import within_open_files
from responder.process_settings import Connections
from tests.api.clients import BIG, READY_SECONDS, Crowd, Handlers, serve, served, still_open
from tests.e2e.runner import SECRET, wazuh

HEAD = "GET /now HTTP/1.1\r\nhost: x\r\n"
BODY = "content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
ELSEWHERE = [f"127.0.2.{n}" for n in range(1, 41)]
OPENINGS = {
    "say nothing": "",
    "begin a head": "POST /webhooks/wazuh HTTP/1.1\r\nhost: x\r\n",
    "begin a body": f"POST /webhooks/wazuh HTTP/1.1\r\nhost: x\r\n{BODY}",
}
# Short enough for a test, and long beside what a request takes.
SHORT = {"head": "PT1S", "body": "PT1S", "idle": "PT1S", "unread": "PT1S"}
LATE_SECONDS = 15.0  # the limit, the sweep that finds it, and a machine that is busy


def deliver(url: str, *, within: float) -> httpx.Response:
    """A signed delivery over a new connection."""
    raw = json.dumps(wazuh("203.0.113.9")).encode()
    signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "x-signature": signature}
    return httpx.post(f"{url}/webhooks/wazuh", content=raw, headers=headers, timeout=within)


@pytest.fixture(scope="module")
def running(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """`responder serve` with the limits as they come."""
    with serve(tmp_path_factory.mktemp("serve"), sqlite_template) as found:
        yield found


@pytest.mark.parametrize("count", [500, 1500])
@pytest.mark.parametrize("opening", OPENINGS)
async def test_a_delivery_is_taken_in_while_many_others(
    opening: str, count: int, running: tuple[str, Path]
) -> None:
    url, log = running
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 256:
        pytest.skip(f"files: {count} connections need more than {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 256), hard))
    with Crowd(urlsplit(url).port or 0) as crowd:
        clients = await crowd.many(count, ELSEWHERE, OPENINGS[opening])
        began = time.monotonic()
        answer = await asyncio.to_thread(deliver, url, within=8)
        seconds = time.monotonic() - began
        held = await still_open(clients)
    print(f"{count} clients {opening}: 202 after {1000 * seconds:.0f} ms, {held} held")
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    most = Connections().most
    # The delivery met a full house, not one that its deadlines had emptied.
    assert min(count, most) * 0.9 <= held <= most
    assert "Traceback" not in log.read_text()


async def test_a_delivery_is_taken_in_from_the_address_that_has_too_many_connections(
    running: tuple[str, Path],
) -> None:
    url, _ = running
    with Crowd(urlsplit(url).port or 0) as crowd:
        clients = await crowd.many(500, ["127.0.0.1"])  # a trusted proxy: it is exempt
        answer = await asyncio.to_thread(deliver, url, within=8)
        assert answer.status_code == httpx.codes.ACCEPTED
        assert await still_open(clients) == 500


async def test_one_address_has_its_share_and_loses_its_own_oldest() -> None:
    async with served(Handlers(), most_of_one=20) as (_, crowd):
        other = await crowd.one("127.0.3.2")
        of_one = await crowd.many(50, ["127.0.3.1"])
        latest = await crowd.one("127.0.3.1", f"{HEAD}\r\n")
        assert await latest.line(READY_SECONDS) == "HTTP/1.1 200 OK"
        assert not any([await one.open() for one in of_one[:31]])
        assert await still_open(of_one[31:]) == 19
        assert await other.open()


async def test_the_one_waited_for_longest_makes_room_and_never_one_that_is_worked_on() -> None:
    handlers = Handlers()
    async with served(handlers, most=10) as (_, crowd):
        at_work = await crowd.many(6, ELSEWHERE, "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await handlers.until_running(6)
        crowded = await crowd.many(12, ELSEWHERE)
        asked = await crowd.one(said=f"{HEAD}\r\n")
        assert await asked.line(READY_SECONDS) == "HTTP/1.1 200 OK"
        assert not any([await one.open() for one in crowded[:9]])
        assert await still_open(crowded[9:]) == 3
        handlers.go.set()
        for one in at_work:
            assert await one.line(READY_SECONDS) == "HTTP/1.1 200 OK"


async def test_who_comes_when_all_are_worked_on_is_told_so() -> None:
    handlers = Handlers()
    async with served(handlers, most=3) as (_, crowd):
        await crowd.many(3, ELSEWHERE, "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await handlers.until_running(3)
        refused = await crowd.one()
        assert await refused.line(READY_SECONDS) == "HTTP/1.1 503 Service Unavailable"


async def test_only_requests_that_are_worked_on_count_against_their_limit() -> None:
    handlers = Handlers()
    begun = f"POST /size HTTP/1.1\r\nhost: x\r\n{BODY}"
    async with served(handlers, requests=3) as (_, crowd):
        bodies = await crowd.many(20, ELSEWHERE, begun)
        await crowd.many(20, ELSEWHERE, HEAD)
        at_work = await crowd.many(3, ELSEWHERE, "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await handlers.until_running(3)
        refused = await crowd.one(said=f"{HEAD}\r\n")
        assert await refused.line(READY_SECONDS) == "HTTP/1.1 503 Service Unavailable"
        handlers.go.set()
        for one in at_work:
            assert await one.line(READY_SECONDS) == "HTTP/1.1 200 OK"
        await handlers.until_running(0)
        again = await crowd.one(said=f"{HEAD}\r\n")
        assert await again.line(READY_SECONDS) == "HTTP/1.1 200 OK"
        await bodies[0].say("x" * 99)
        assert await bodies[0].line(READY_SECONDS) == "HTTP/1.1 200 OK"


async def test_who_leaves_while_a_handler_works_still_counts() -> None:
    handlers = Handlers()
    async with served(handlers, requests=3) as (_, crowd):
        gone = await crowd.many(3, ELSEWHERE, "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await handlers.until_running(3)
        for one in gone:
            one.close()
        await asyncio.sleep(0.2)
        refused = await crowd.one(said=f"{HEAD}\r\n")
        assert await refused.line(READY_SECONDS) == "HTTP/1.1 503 Service Unavailable"


@pytest.mark.parametrize(
    ("begins", "drips"),
    [
        ("", HEAD + "x-slow: " + "a" * 1000),
        ("POST /size HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n", "b" * 1000),
    ],
    ids=["head", "body"],
)
async def test_a_byte_now_and_then_does_not_move_the_deadline(begins: str, drips: str) -> None:
    handlers = Handlers()
    async with served(handlers, **SHORT) as (_, crowd):
        client = await crowd.one(said=begins)
        dripping = asyncio.create_task(client.drip(drips, 0.1))
        answer = await client.ended(LATE_SECONDS)
        assert answer.startswith("HTTP/1.1 408 Request Timeout")
        assert not dripping.done() or dripping.exception() is None
        dripping.cancel()
    assert handlers.left == (["/size"] if begins else [])


async def test_who_says_nothing_or_nothing_more_is_closed_without_an_answer() -> None:
    async with served(Handlers(), **SHORT) as (_, crowd):
        silent = await crowd.one()
        assert await silent.ended(LATE_SECONDS) == ""
        kept = await crowd.one(said=f"{HEAD}\r\n")
        answer = await kept.ended(LATE_SECONDS)
        assert answer.startswith("HTTP/1.1 200 OK")
        assert answer.endswith("now")


async def test_a_body_that_follows_its_answer_has_a_deadline_too() -> None:
    async with served(Handlers(), **SHORT) as (_, crowd):
        client = await crowd.one(said=f"POST /refuse HTTP/1.1\r\nhost: x\r\n{BODY}")
        answer = await client.ended(LATE_SECONDS)
        assert answer.startswith("HTTP/1.1 413")
        assert "408" not in answer


async def test_a_connection_that_is_used_again_has_its_time_anew() -> None:
    limits = SHORT | {"head": "PT3S", "idle": "PT3S"}
    async with served(Handlers(), **limits) as (_, crowd):
        client = await crowd.one()
        until = time.monotonic() + 7  # more than twice what it may be silent
        while time.monotonic() < until:
            await client.say(f"{HEAD}\r\n")
            while (line := await client.line(READY_SECONDS)) != "":
                assert not line.startswith("HTTP/1.1 4")
            assert await client.reader.readexactly(3) == b"now"
            await asyncio.sleep(0.5)


async def test_requests_that_come_at_once_are_answered_one_after_another() -> None:
    async with served(Handlers(), **SHORT) as (_, crowd):
        client = await crowd.one(said=f"{HEAD}\r\n" * 5)
        assert (await client.ended(LATE_SECONDS)).count("HTTP/1.1 200 OK") == 5


async def test_a_half_closed_connection_is_given_up() -> None:
    async with served(Handlers()) as (server, crowd):
        client = await crowd.one(said=HEAD)
        client.half_close()
        assert await client.ended(READY_SECONDS) == ""
        assert not server.server_state.connections


async def test_who_does_not_read_the_answer_is_given_up() -> None:
    async with served(Handlers(), **SHORT) as (server, crowd):
        await crowd.one(said="GET /big HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(READY_SECONDS):
            while not server.server_state.connections:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(LATE_SECONDS):
            while server.server_state.connections or server.server_state.tasks:
                await asyncio.sleep(0.05)


async def test_who_reads_slowly_gets_all_of_it() -> None:
    async with served(Handlers(), **(SHORT | {"unread": "PT3S"})) as (_, crowd):
        client = await crowd.one(said="GET /big HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        got, steps = 0, 0
        while chunk := await client.reader.read(BIG // 40):
            got, steps = got + len(chunk), steps + 1
            if steps % 40 == 0:
                await asyncio.sleep(0.1)
        assert got > BIG


async def test_a_stream_outlives_every_deadline() -> None:
    async with served(Handlers(), **SHORT) as (_, crowd):
        client = await crowd.one(said="GET /stream HTTP/1.1\r\nhost: x\r\n\r\n")
        until = time.monotonic() + 4  # four times what anything may take
        beats = 0
        while time.monotonic() < until:
            beats += "beat" in await client.line(READY_SECONDS)
        assert beats > 20


async def test_a_stop_ends_who_waits_at_once_and_lets_the_others_finish() -> None:
    handlers = Handlers()
    async with served(handlers) as (server, crowd):
        waiting = [await crowd.one(), await crowd.one(said=HEAD)]
        at_work = await crowd.one(said="GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await handlers.until_running(1)
        server.should_exit = True
        for one in waiting:
            assert await one.ended(READY_SECONDS) == ""
        assert handlers.running == 1
        handlers.go.set()
        answer = await at_work.ended(READY_SECONDS)
        assert answer.startswith("HTTP/1.1 200 OK")
        assert answer.endswith("waited")


def test_one_client_is_an_address_or_the_network_that_one_customer_has() -> None:
    assert party(address_of("198.51.100.7")) == "198.51.100.7"
    assert party(address_of("::ffff:198.51.100.7")) == "198.51.100.7"
    assert party(address_of("2001:db8:1:2::3")) == party(address_of("2001:db8:1:2:ffff::9"))
    assert party(address_of("2001:db8:1:2::3")) != party(address_of("2001:db8:1:3::3"))
    assert address_of("fe80::1%eth0") == ip_address("fe80::1")


def test_there_are_as_many_connections_as_files() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = Connections(most=before[1])
    try:
        fewer = within_open_files(limits)
        assert fewer.most < limits.most
        assert fewer == limits.model_copy(update={"most": fewer.most})
        assert within_open_files(Connections()) == Connections()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_what_was_closed_is_said_in_one_line() -> None:
    with capture_logs() as said:
        async with served(Handlers(), **(SHORT | {"most": 10})) as (_, crowd):
            await crowd.many(30, ELSEWHERE)
            async with asyncio.timeout(LATE_SECONDS):
                while not (lines := [one for one in said if one["event"] == "connections_closed"]):
                    await asyncio.sleep(0.05)
    assert lines == [
        {"event": "connections_closed", "log_level": "warning", "too_many": 20, "open": 10}
    ]
