"""A certificate renewed by plan through a whole runner, and shown by a real TLS server at once."""

import asyncio
import base64
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from responder.certificates import LocalAuthority, ManagedCertificate
from responder.schedules import PREFIX
from tests.e2e.runner import Runner, free_ports
from tests.e2e.test_rotation import _payloads
from tests.providers.tls_server import SERVER, handshake, make_authority, pair_for

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAME = "web-tls"


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The settings of a certificate that has ten days left, and the server that shows it."""
    folder: Path = tmp_path_factory.mktemp("tls")
    [port] = free_ports(1)
    facts: dict[str, Any] = {
        "name": NAME,
        "host": "web",
        "certificate": str(folder / "web.pem"),
        "key": str(folder / "web.key"),
        "reload": ["pkill", "-HUP", "-F", str(folder / "pid")],
        "common_name": "web.example.com",
        "dns": ["web.example.com"],
        "served": {"address": "127.0.0.1", "port": port},
    }
    files = {"certificate": str(folder / "lost.pem"), "key": str(folder / "lost.key")}
    lost = {"name": "lost", "host": "web", "common_name": "x", "dns": ["x.example.com"], **files}
    authority = make_authority(folder)
    pair = pair_for(authority, ManagedCertificate.model_validate(facts), days=10)
    for name, content in (("web.pem", pair[0]), ("web.key", pair[1])):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(content)
    words = (facts["certificate"], facts["key"], str(port), str(folder / "pid"))
    server = subprocess.Popen((sys.executable, "-c", SERVER, *words))
    while not (folder / "pid").exists():
        assert server.poll() is None
        time.sleep(0.05)
    yield {
        "schedule": "* * * * *",  # every Sunday at two would be a long wait
        "authority": {"certificate": str(authority.certificate), "key": str(authority.key)},
        "certificates": [facts, lost],
    }
    server.kill()
    server.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(
    wanted: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Runner]:
    """One runner for the module; the host is this machine."""
    host = {"name": "web", "access": {"via": "local"}}
    settings = {"inventory": {"hosts": [host]}, "certificate_rotation": wanted}
    made = Runner(tmp_path_factory.mktemp("runner"), settings)
    await made.start()
    yield made
    await made.close()


async def test_it_is_renewed_by_plan_without_asking_and_its_key_is_nowhere_else(
    runner: Runner, wanted: dict[str, Any]
) -> None:
    facts = wanted["certificates"][0]
    before = Path(facts["key"]).read_text()

    async def renewed() -> dict[str, Any] | None:
        for row in await runner.api("GET", "/api/incidents", params={"everything": True}):
            found = await runner.incident(row["id"])
            if found["steps"] and found["runs"][0]["state"] != "open":
                return found
        return None

    incident = await runner.until(renewed, "the schedule to have the certificate renewed", 90)
    assert incident["category"] == "certificate_rotation"
    assert incident["runs"][0]["state"] == "done", incident["runs"]
    assert incident["asks"] == []
    [change] = incident["steps"][0]["plan"]["changes"]
    assert change["request"]["kind"] == "RenewCertificate"
    authority = LocalAuthority.model_validate(wanted["authority"])
    shown = await asyncio.to_thread(handshake, authority, "127.0.0.1", facts["served"]["port"])
    assert shown.not_valid_after_utc - datetime.now(UTC) > timedelta(days=89)
    number = f"{shown.serial_number:x}"
    store = runner.rows("SELECT record FROM resources")
    assert number in str([tuple(row) for row in store])

    said = [tuple(row) for row in runner.rows("SELECT loud, subject, body FROM messages")]
    [loud] = [body for loud, subject, body in said if loud and "not renewed" in subject]
    assert "lost on web: lost: expected a certificate in a regular file" in loud
    [quiet] = [body for _, subject, body in said if subject.endswith(f"{NAME} renewed")]
    assert "10 days left" in quiet

    key = Path(facts["key"]).read_text()
    assert key != before
    raw = base64.b64decode("".join(key.splitlines()[1:-1]))
    secret = raw[36:60]  # within the 32 bytes of the private value of a P-256 key (RFC 5915)
    canaries = [key.splitlines()[1][-24:].encode(), key.splitlines()[2][:24].encode()]
    canaries += [secret, secret.hex().encode(), base64.b64encode(key.encode())[80:120]]
    haystack: dict[str, bytes] = {"incident": str(incident).encode()}
    client = await runner.temporal()
    async for one in client.list_workflows():
        history = await client.get_workflow_handle(one.id, run_id=one.run_id).fetch_history()
        text = []
        for event in history.events:
            text.append(event.SerializeToString())
            for _, field in event.ListFields():
                codec = client.data_converter.payload_codec
                assert codec
                text += [payload.data for payload in await codec.decode(_payloads(field))]
        haystack[one.id] = b"".join(text)
    assert any(b'"kind":"RenewCertificate"' in text for text in haystack.values())
    for path in runner.settings.state.rglob("*"):
        if path.is_file() and "keys" not in path.parts:
            haystack[str(path)] = path.read_bytes()
    assert [at for at, text in haystack.items() if any(c in text for c in canaries)] == []


async def test_the_next_time_there_is_nothing_to_renew(
    runner: Runner, wanted: dict[str, Any]
) -> None:
    facts = wanted["certificates"][0]
    before = Path(facts["certificate"]).read_text()
    # The first occasion came by its cron; this one need not be waited for.
    client = await runner.temporal()
    await client.get_schedule_handle(f"{PREFIX}certificate-rotation").trigger()

    async def second() -> dict[str, Any] | None:
        rows = await runner.api("GET", "/api/incidents", params={"everything": True})
        for row in rows[:1] if len(rows) > 1 else ():
            found = await runner.incident(row["id"])
            if found["runs"] and found["runs"][0]["state"] != "open" and not found["steps"]:
                return found
        return None

    found = await runner.until(second, "the next occasion", 90)
    assert found["runs"][0]["state"] == "done"
    assert Path(facts["certificate"]).read_text() == before
