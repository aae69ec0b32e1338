import base64
from datetime import datetime, timedelta
from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from activities.providers.feed import FeedBlock
from responder.api.app import ENDPOINTS
from responder.errors import Unreachable
from responder.points import Consumer, FeedPoint
from responder.store import Store
from tests.api.feeds import TOKENS, asked, polled
from tests.databases import ManualClock, on_both

POINT = FeedPoint(
    name="blocked",
    consumers=tuple(Consumer(name=name, token=SecretStr(token)) for name, token in TOKENS.items()),
)
ADDRESS = "203.0.113.7"
UNTIL = datetime.fromisoformat("2026-03-05T12:00:00Z")


@pytest.fixture
def database() -> str:
    """SQLite, unless a test is about the order of transactions."""
    return "sqlite"


def block(store: Store, network: str = ADDRESS) -> FeedBlock:
    return FeedBlock(store, ip_network(network), POINT)


async def add(
    store: Store, network: str = ADDRESS, until: datetime | None = UNTIL, tag: str = "IR-1"
) -> None:
    await block(store, network).write(True, key="step", until=until, tag=tag)


async def contained(store: Store, network: str = ADDRESS) -> bool:
    return (await block(store, network).read()).state


def test_it_is_served() -> None:
    assert "/feeds/{name}.txt" in [endpoint.path for endpoint in ENDPOINTS]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("", "2001:db8:7::/48\n203.0.113.0/24\n203.0.113.7\n"),
        ("plain", "2001:db8:7::/48\n203.0.113.0/24\n203.0.113.7\n"),
        (
            "paloalto",
            (
                "2001:db8:7::/48 until undone incident IR-2\n"
                "203.0.113.0/24 until 2026-03-05T12:00:00Z\n"
                "203.0.113.7 until 2026-03-05T12:00:00Z incident IR-1\n"
            ),
        ),
        (
            "cisco",
            (
                "# until undone incident IR-2\n2001:db8:7::/48\n"
                "# until 2026-03-05T12:00:00Z\n203.0.113.0/24\n"
                "# until 2026-03-05T12:00:00Z incident IR-1\n203.0.113.7\n"
            ),
        ),
        (
            "haproxy",
            (
                "# until undone incident IR-2\n2001:db8:7::/48\n"
                "# until 2026-03-05T12:00:00Z\n203.0.113.0/24\n"
                "# until 2026-03-05T12:00:00Z incident IR-1\n203.0.113.7\n"
            ),
        ),
        (
            "nginx",
            (
                "deny 2001:db8:7::/48; # until undone incident IR-2\n"
                "deny 203.0.113.0/24; # until 2026-03-05T12:00:00Z\n"
                "deny 203.0.113.7; # until 2026-03-05T12:00:00Z incident IR-1\n"
            ),
        ),
    ],
)
async def test_each_reader_gets_the_form_its_vendor_documents(
    store: Store, form: str, text: str
) -> None:
    await add(store)
    await add(store, "203.0.113.0/24", tag="")
    await add(store, "2001:db8:7::/48", until=None, tag="IR-2")
    answer = await polled(store, POINT, "fw1", f"?format={form}" if form else "")
    assert answer.text == text
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("form", ["plain", "paloalto", "cisco", "haproxy", "nginx"])
async def test_an_incident_cannot_add_a_line(store: Store, form: str) -> None:
    await add(store, tag="x\n198.51.100.1\r\ndeny all;")
    text = (await polled(store, POINT, "fw1", f"?format={form}")).text
    lines = text.splitlines()
    assert len([line for line in lines if not line.startswith("#")]) == 1
    assert not any(line.startswith(("198.51.100.1", "deny all")) for line in lines)


async def test_a_list_that_would_be_empty_is_not_where_an_empty_one_is_ignored(
    store: Store,
) -> None:
    assert (await polled(store, POINT, "fw1")).text == ""
    text = (await polled(store, POINT, "fw1", "?format=cisco")).text
    assert text.splitlines()[1:] == ["192.0.2.1"]
    await add(store)
    assert "192.0.2.1" not in (await polled(store, POINT, "fw1", "?format=cisco")).text


async def test_what_has_ended_is_no_longer_listed(store: Store, clock: ManualClock) -> None:
    await add(store, until=clock.now + timedelta(hours=1))
    assert (await polled(store, POINT, "fw1")).text == f"{ADDRESS}\n"
    clock.advance(hours=1)
    assert (await polled(store, POINT, "fw1")).text == ""
    assert not await contained(store)


async def test_it_is_contained_when_every_consumer_has_polled_since(
    store: Store, clock: ManualClock
) -> None:
    for consumer in TOKENS:
        await polled(store, POINT, consumer)
    clock.advance(seconds=1)
    point = block(store)
    await point.write(True, key="step", until=UNTIL, tag="IR-1")
    with pytest.raises(Unreachable, match="listed, but not yet polled by fw1, fw2"):
        await point.read()
    await polled(store, POINT, "fw1")
    with pytest.raises(Unreachable, match=r"listed, but not yet polled by fw2$"):
        await point.read()
    await polled(store, POINT, "fw2")
    found = await point.read()
    assert (found.state, found.expires) == (True, UNTIL)


async def test_without_a_consumer_nothing_is_ever_contained(store: Store) -> None:
    alone = FeedBlock(store, ip_network(ADDRESS), FeedPoint(name="blocked"))
    await alone.write(True, key="step", until=UNTIL, tag="IR-1")
    with pytest.raises(Unreachable, match="listed, but no consumer polls this feed"):
        await alone.read()
    answer = await asked(store, FeedPoint(name="blocked"))
    assert (answer.status_code, answer.text) == (200, f"{ADDRESS}\n")


@pytest.mark.parametrize("sent", ["{0}", "W/{0}", '"other", {0}', '"a,b",W/{0}'])
async def test_who_has_the_list_already_is_told_so_and_has_polled(store: Store, sent: str) -> None:
    await add(store)
    etag = (await polled(store, POINT, "fw1")).headers["etag"]
    answer = await polled(store, POINT, "fw2", if_none_match=sent.format(etag))
    assert (answer.status_code, answer.text, answer.headers["etag"]) == (304, "", etag)
    assert await contained(store)


async def test_a_changed_list_has_another_etag_and_is_handed_over(store: Store) -> None:
    await add(store)
    etag = (await polled(store, POINT, "fw1")).headers["etag"]
    assert (await polled(store, POINT, "fw1")).headers["etag"] == etag
    assert (await polled(store, POINT, "fw1", "?format=nginx")).headers["etag"] != etag
    await add(store, "203.0.113.8")
    answer = await polled(store, POINT, "fw1", if_none_match=etag)
    assert answer.status_code == 200
    assert answer.headers["etag"] != etag
    assert "no-cache" in answer.headers["cache-control"]


async def test_head_shows_the_headers_and_hands_nothing_over(store: Store) -> None:
    await add(store)
    bearer = {"Authorization": f"Bearer {TOKENS['fw2']}"}
    await polled(store, POINT, "fw1")
    answer = await asked(store, POINT, method="HEAD", headers=bearer)
    assert answer.status_code == 200
    assert answer.headers["etag"]
    assert not await contained(store)
    await polled(store, POINT, "fw2")
    assert await contained(store)


@pytest.mark.parametrize("consumer", TOKENS)
async def test_a_firewall_that_can_only_sign_in_has_its_token_as_password(
    store: Store, consumer: str
) -> None:
    await add(store)
    other = next(name for name in TOKENS if name != consumer)
    await polled(store, POINT, other)
    answer = await asked(store, POINT, auth=(consumer, TOKENS[consumer]))
    assert answer.status_code == 200
    assert await contained(store)


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer ",
        "Bearer wrong",
        f"Token {TOKENS['fw1']}",
        TOKENS["fw1"],
        "Basic %%%",
        "Basic /w==",
        basic("fw1:wrong"),
        basic(f"fw1:{TOKENS['fw2']}"),
        basic(f"root:{TOKENS['fw1']}"),
        basic("fw1"),
        basic("fw1:Schlüssel"),
    ],
)
async def test_nobody_else_is_handed_the_list(store: Store, authorization: str) -> None:
    await add(store)
    answer = await asked(store, POINT, headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Basic realm="blocked"')
    assert ADDRESS not in answer.text


async def test_another_feed_or_format_is_said_to_be_unknown(store: Store) -> None:
    assert (await asked(store, POINT, "/feeds/other.txt")).status_code == 404
    answer = await polled(store, POINT, "fw1", "?format=xml")
    assert answer.status_code == 422
    assert "expected one of plain, paloalto, cisco, haproxy, nginx" in answer.json()["detail"]


@on_both
async def test_a_poll_before_the_change_never_counts_though_its_clock_was_ahead(
    store: Store, clock: ManualClock
) -> None:
    clock.advance(seconds=30)
    for consumer in TOKENS:
        await polled(store, POINT, consumer)
    clock.advance(seconds=-30)  # the worker's clock is behind that of the machine that serves
    await add(store)
    assert not await contained(store)
    clock.advance(seconds=-30)  # and now it is the other way round
    for consumer in TOKENS:
        await polled(store, POINT, consumer)
    assert await contained(store)


async def test_a_silent_consumer_keeps_neither_a_longer_hold_nor_an_undo_from_the_others(
    store: Store,
) -> None:
    await add(store)
    await polled(store, POINT, "fw1")
    found = await block(store).read()
    assert (found.state, found.expires) == (False, UNTIL), "not contained, and to be written"
    later = UNTIL + timedelta(hours=1)
    await add(store, until=later)
    assert (await block(store).read()).expires == later
    await block(store).write(False, key="undo", until=None, tag="")
    assert (await polled(store, POINT, "fw1")).text == ""
    await add(store, until=None)
    found = await block(store).read()
    assert found.state is False
    assert found.expires is not None, "so that an undo still finds something to remove"


async def test_extending_does_not_ask_for_another_poll(store: Store, clock: ManualClock) -> None:
    await add(store)
    for consumer in TOKENS:
        await polled(store, POINT, consumer)
    clock.advance(minutes=5)
    await add(store, until=UNTIL + timedelta(hours=1))
    assert await contained(store)


async def test_what_is_blocked_again_must_be_polled_again(store: Store, clock: ManualClock) -> None:
    await add(store)
    for consumer in TOKENS:
        await polled(store, POINT, consumer)
    await block(store).write(False, key="undo", until=None, tag="")
    clock.advance(minutes=5)
    await add(store)
    assert not await contained(store)
