"""A playbook pages the CISO: over a channel that is down to one that is not, again, until somebody comes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.runner import Runner, wazuh
from tests.notify.receivers import ROUTING_KEY, SECRET, http

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Runner, Any]]:
    """A runner with a pager that refuses and a webhook that takes."""
    with http("pagerduty") as pager, http("webhook") as hook:
        pager.answers += [(503, {})] * 1000
        settings = {
            "playbooks": ["tests.e2e.paging_playbook:PLAYBOOKS"],
            "notify": {
                "channels": {
                    "pager": {"kind": "pagerduty", "routing_key": ROUTING_KEY, "url": pager.url},
                    "chat": {"kind": "webhook", "url": hook.url, "secret": SECRET},
                },
                "routes": [{"audience": "CISO", "channels": ["pager", "chat"]}],
            },
            "people": [
                {"name": "ana", "roles": ["operator"]},
                {"name": "ben", "roles": ["viewer"], "teams": ["CISO"]},
                {"name": "root", "roles": ["admin"]},
                {"name": "vic", "roles": ["viewer"]},
            ],
        }
        runner = Runner(tmp_path_factory.mktemp("paging"), settings)
        await runner.start()
        yield runner, hook
        await runner.close()


async def test_the_page_reaches_the_second_channel_is_repeated_and_taken(
    desk: tuple[Runner, Any],
) -> None:
    runner, hook = desk
    assert (await runner.post(wazuh("203.0.113.9"))).status_code == 202

    def pages() -> list[dict[str, Any]]:
        return [t["data"] for t in hook.taken if t["data"]["key"].startswith("page/")]

    async def twice() -> bool:
        return len(pages()) >= 2

    await runner.until(twice, "a second page")
    (page,) = await runner.api("GET", "/api/pages", by="vic")
    refused = await runner.http.post(
        f"/api/pages/{page['id']}/ack", headers={"authorization": f"Bearer {runner.tokens['ana']}"}
    )
    assert (refused.status_code, "ana is not of it" in refused.text) == (403, True)
    taken = await runner.api("POST", f"/api/pages/{page['id']}/ack", by="ben")
    assert taken["by"] == "ben"

    async def done() -> bool:
        rows = runner.rows("SELECT subject FROM messages WHERE key LIKE 'said/%'")
        return any("came: ben" in row["subject"] for row in rows)

    await runner.until(done, "the playbook to hear who came", seconds=10)
    tried = await runner.api("GET", "/api/messages", by="vic")
    mine = next(m for m in tried if m["key"].startswith("page/"))
    by = {c["channel"]: c for c in mine["channels"]}
    assert "answered 503" in by["pager"]["said"]
    assert by["chat"]["receipt"].startswith("202 responder-")
    assert mine["sent"] is not None


async def test_nobody_comes_and_that_is_said(desk: tuple[Runner, Any]) -> None:
    runner, _ = desk
    await runner.post(wazuh("203.0.113.10"))

    async def unanswered() -> bool:
        rows = runner.rows("SELECT loud FROM messages WHERE key LIKE 'unanswered/%'")
        return bool(rows and rows[0]["loud"])

    await runner.until(unanswered, "the page to be called unanswered")
    await asyncio.sleep(0)
    rows = runner.rows("SELECT COUNT(*) AS n FROM messages WHERE key LIKE 'page/%'")
    assert rows[0]["n"] >= 3 + 2
