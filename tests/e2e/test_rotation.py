"""Planned and emergency rotation of keys through a whole runner, with the brief's settings as written."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from responder.crypto.codec import ENCODING
from responder.crypto.keyring import KeyRing
from responder.schedules import PREFIX, bring_up_to_date, next_times, times_between
from responder.secrets.contract import Stage
from responder.secrets.sealed import SealedSecrets
from responder.workflows.scheduled import Occasion, ScheduledWorkflow
from tests.e2e.runner import Runner

pytestmark = pytest.mark.asyncio(loop_scope="module")

JWT, DATA = "jwt-signing-key", "data-encryption-key"
BRIEF = """
key_rotation:
  schedule: "0 2 1 * *"  # Monatlich um 2:00 Uhr
  keys:
    - name: "jwt-signing-key"
      type: "rsa"
      size: 2048
      retention_period: "90d"
    - name: "data-encryption-key"
      type: "aes"
      size: 256
      retention_period: "30d"
"""
ALSO = """
schedules:
  - {name: weekly, cron: "0 2 * * 0", category: key_rotation, what: [nothing]}
  - {name: local, cron: "0 2 * * 0", time_zone: Europe/Berlin, category: key_rotation, what: [nothing]}
  - {name: minutely, cron: "* * * * *", category: key_rotation, what: [data-encryption-key]}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """One runner for the module, with the brief's settings; what it distributes is there in a second."""
    folder: Path = tmp_path_factory.mktemp("runner")
    settings: dict[str, Any] = yaml.safe_load(BRIEF) | yaml.safe_load(ALSO)
    settings["key_rotation"]["distribute"] = "PT2S"
    made = Runner(folder, settings)
    await made.start()
    yield made
    await made.close()


async def key(runner: Runner, name: str) -> dict[str, Any]:
    """One key as the API shows it."""
    found: dict[str, Any] = next(
        k for k in await runner.api("GET", "/api/keys") if k["name"] == name
    )
    return found


async def stages(runner: Runner, name: str) -> list[str]:
    return [one["stage"] for one in (await key(runner, name))["versions"]]


async def rotate(runner: Runner, name: str, mode: str) -> str:
    asked = {"name": name, "mode": mode}
    answer = await runner.api("POST", "/api/keys/rotate", by="root", json=asked)
    return str(answer["incident"])


async def done(runner: Runner, incident: str) -> dict[str, Any]:
    """The incident, once its run is done."""

    async def look() -> dict[str, Any] | None:
        found = await runner.incident(incident)
        return found if found["runs"] and found["runs"][0]["state"] != "open" else None

    found: dict[str, Any] = await runner.until(look, f"the run of {incident} to end")
    assert found["runs"][0]["state"] == "done", found["runs"]
    return found


async def published(runner: Runner) -> list[str]:
    answer = await runner.http.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=600"
    assert answer.headers["content-type"] == "application/jwk-set+json"
    return [one["kid"] for one in answer.json()["keys"]]


async def test_the_briefs_schedules_are_in_temporal_as_written(runner: Runner) -> None:
    client = await runner.temporal()

    async def there() -> bool:
        return {one["name"] for one in await runner.api("GET", "/api/schedules") if one["next"]} == {
            "key-rotation", "weekly", "local", "minutely",
        }  # fmt: skip

    await runner.until(there, "all schedules to be in Temporal")
    start, end = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 12, 31, tzinfo=UTC)
    monthly = await times_between(client, "key-rotation", start, end)
    assert monthly == tuple(datetime(2027, month, 1, 2, tzinfo=UTC) for month in range(1, 13))
    weekly = await times_between(client, "weekly", start, end)
    assert len(weekly) == 52
    assert {(at.isoweekday(), at.hour, at.minute) for at in weekly} == {(7, 2, 0)}


async def test_temporal_reads_an_expression_in_local_time_as_we_do(runner: Runner) -> None:
    """Where the clocks are put forward 02:00 does not come; where they are put back it comes."""
    client = await runner.temporal()
    schedule = next(one for one in runner.settings.planned if one.name == "local")
    start, end = datetime(2026, 10, 1, tzinfo=UTC), datetime(2027, 4, 30, tzinfo=UTC)
    theirs = await times_between(client, "local", start, end)
    ours = [
        start + timedelta(hours=hour)
        for hour in range(int((end - start) / timedelta(hours=1)) + 1)
        if schedule.due.fits(start + timedelta(hours=hour))
    ]
    assert not [at for at in theirs if at.date() == datetime(2027, 3, 28, tzinfo=UTC).date()]
    assert set(theirs) <= set(ours), "what Temporal starts must never be refused as not due"
    assert len(set(ours) - set(theirs)) <= 1, "the hour that comes twice may be taken once"


async def test_a_schedule_opens_an_incident_and_the_key_is_rotated_without_asking(
    runner: Runner,
) -> None:
    async def opened() -> str | None:
        for row in await runner.api("GET", "/api/incidents", params={"everything": True}):
            if row["subject"].startswith("minutely "):
                return str(row["id"])
        return None

    number = await runner.until(opened, "the schedule to open an incident", 75)
    incident = await done(runner, number)
    assert incident["category"] == "key_rotation"
    assert incident["asks"] == []
    assert [clock["clock"] for clock in incident["clocks"]], "its clocks run"
    assert "current" in await stages(runner, DATA)
    settings = runner.settings.planned
    client = await runner.temporal()
    left = [one for one in settings if one.name != "minutely"]
    await bring_up_to_date(client, runner.settings.temporal.task_queue, left)
    there = [one.id async for one in await client.list_schedules()]
    assert f"{PREFIX}minutely" not in there
    assert f"{PREFIX}key-rotation" in there


async def test_what_a_person_paused_stays_paused(runner: Runner) -> None:
    client = await runner.temporal()
    await client.get_schedule_handle(f"{PREFIX}weekly").pause(note="ana: holidays")
    left = [one for one in runner.settings.planned if one.name != "minutely"]
    await bring_up_to_date(client, runner.settings.temporal.task_queue, left)
    described = await client.get_schedule_handle(f"{PREFIX}weekly").describe()
    assert described.schedule.state.note == "ana: holidays"
    assert await next_times(client, "weekly") == ()


@pytest.mark.parametrize(
    ("name", "ago", "said"),
    [
        ("key-rotation", timedelta(minutes=5, seconds=1), "expected a moment of `0 2 1"),
        ("minutely", timedelta(days=8), "is not within the last 7 days"),
        ("minutely", timedelta(hours=-1), "is not within the last 7 days"),
        ("mine", timedelta(0), "the settings have no such schedule"),
    ],
)
async def test_who_reaches_temporal_cannot_have_a_key_rotated_at_will(
    runner: Runner, name: str, ago: timedelta, said: str
) -> None:
    client = await runner.temporal()
    before = len(runner.rows("SELECT id FROM incidents"))
    due = datetime.now(UTC).replace(second=0, microsecond=0) - ago
    with pytest.raises(WorkflowFailureError) as failed:
        await client.execute_workflow(
            ScheduledWorkflow.run,
            Occasion(schedule=name, due=due),
            id=f"forged-{name}-{ago.total_seconds()}",
            task_queue=runner.settings.temporal.task_queue,
            execution_timeout=timedelta(seconds=20),
        )
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError) or "Refused" in str(cause)
    assert said in str(cause)
    assert len(runner.rows("SELECT id FROM incidents")) == before


async def test_a_signing_key_is_published_before_it_signs_and_kept_after(runner: Runner) -> None:
    await done(runner, await rotate(runner, JWT, "planned"))
    assert await stages(runner, JWT) == ["current"]
    [first] = [one["id"] for one in (await key(runner, JWT))["versions"]]
    second = await rotate(runner, JWT, "planned")

    async def pending() -> bool:
        return await stages(runner, JWT) == ["current", "pending"]

    await runner.until(pending, "a pending version")
    incident = await done(runner, second)
    assert incident["asks"] == []
    assert await stages(runner, JWT) == ["previous", "current"]
    versions = (await key(runner, JWT))["versions"]
    kept = datetime.fromisoformat(versions[0]["kept_until"])
    assert abs(kept - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)

    async def both() -> bool:
        return await published(runner) == [first, versions[1]["id"]]

    await runner.until(both, "both versions to be published")


async def test_an_emergency_asks_two_people_revokes_first_and_restores_after(
    runner: Runner,
) -> None:
    used = next(v for v in (await key(runner, JWT))["versions"] if v["stage"] == "current")
    number = await rotate(runner, JWT, "emergency")

    async def asked() -> dict[str, Any] | None:
        asks = (await runner.incident(number))["asks"]
        return asks[0] if asks else None

    ask = await runner.until(asked, "an ask")
    assert ask["tier"] == "T3"
    assert "emergency: accept version" in str((await runner.incident(number))["steps"])
    for who in ("ana", "ben"):
        decision = {"approve": True, "digest": ask["digest"], "number": ask["number"],
                    "code": await runner.fresh_code(who)}  # fmt: skip
        await runner.api("POST", f"/api/asks/{ask['id']}/decisions", by=who, json=decision)
    incident = await done(runner, number)
    kinds = [step["plan"]["changes"][0]["request"]["kind"] for step in incident["steps"]]
    assert sorted(kinds) == ["AddKeyVersion", "PromoteKeyVersion", "RevokeKeyVersion"]
    versions = {v["id"]: v["stage"] for v in (await key(runner, JWT))["versions"]}
    assert versions[used["id"]] == "revoked"
    assert list(versions.values()).count("current") == 1

    async def gone() -> bool:
        return used["id"] not in await published(runner)

    await runner.until(gone, "the revoked version to be published no longer")


async def test_no_value_of_a_key_is_anywhere_but_in_the_secret_store(runner: Runner) -> None:
    """A canary for each version: looked for in the store, the logs, and every history in the clear."""
    rotation = runner.settings.rotation
    store = SealedSecrets(rotation.folder, lambda: KeyRing.load(rotation.ring))
    canaries: list[bytes] = []
    for name in (JWT, DATA):
        for version in await store.versions(name):
            assert version.stage is not Stage.DESTROYED
            value = (await store.get(name, version.id)).get_secret_value()
            middle = value[len(value) // 2 :][:24]
            half = len(value) // 6 * 3  # base64 of a part is a part of the base64 only from there
            canaries += [middle, base64.b64encode(value[half:])[:24], middle.hex().encode()]
            canaries += [repr(middle)[2:-1].encode()]
    assert len(canaries) >= 12
    client = await runner.temporal()
    haystack: dict[str, bytes] = {}
    async for found in client.list_workflows():
        history = await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
        decoded = []
        for event in history.events:
            text = event.SerializeToString()
            decoded.append(text)
            for _, field in event.ListFields():
                decoded += [
                    p.data
                    for p in await client.data_converter.payload_codec.decode(_payloads(field))  # type: ignore[union-attr]
                ]
        haystack[found.id] = b"".join(decoded)
    assert any(b'"kind":"AddKeyVersion"' in text for text in haystack.values()), "none was opened"
    for path in runner.settings.state.rglob("*"):
        if path.is_file() and "keys" not in path.parts:
            haystack[str(path)] = path.read_bytes()
    assert any(b"AddKeyVersion" in text for at, text in haystack.items() if ".sqlite" in at)
    for row in await runner.api("GET", "/api/incidents", params={"everything": True}):
        haystack[row["id"]] = str(await runner.incident(row["id"])).encode()
    leaks = [at for at, text in haystack.items() for canary in canaries if canary in text]
    assert leaks == []


def _payloads(message: Any) -> list[Any]:
    """Every payload below a message of Temporal's."""
    if type(message).__name__ == "Payload":  # search attributes are in the clear
        return [message] if message.metadata["encoding"] == ENCODING else []
    if hasattr(message, "ListFields"):
        return [p for _, value in message.ListFields() for p in _payloads(value)]
    if hasattr(message, "values"):  # a map
        return [p for value in message.values() for p in _payloads(value)]
    if isinstance(message, str | bytes | int | float):
        return []
    return [p for value in message for p in _payloads(value)]
