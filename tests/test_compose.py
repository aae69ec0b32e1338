"""
`docker-compose.yml` without Docker: it is valid, consistent, and its commands start.

No Docker engine can be had where this is developed. So the file is checked against Compose's own
schema, its parts against one another, and the very commands it runs are started here with the very
variables it sets, against a real PostgreSQL and a real Temporal.
"""

import asyncio
import base64
import hmac
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import make_url

from responder.embedded import Embedded
from responder.process_settings import TemporalSettings
from responder.workflows.wire import SEARCH_ATTRIBUTES

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
READY_SECONDS = 90.0
ONE_SHOT = {"temporal-schema", "temporal-namespace", "keys"}


def test_it_follows_composes_schema() -> None:
    known = ("--builtin-schema", "vendor.compose-spec")
    command = (sys.executable, "-m", "check_jsonschema", *known, str(FILE))
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_everything_that_is_named_is_there() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", {})) <= SERVICES.keys(), name
        assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys(), name
        for volume in service.get("volumes", ()):
            source, target = volume.split(":")[:2]
            if source.startswith("./"):
                assert (ROOT / source).is_file(), source
            else:
                assert source in COMPOSE["volumes"], source
            assert target.startswith("/")
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_whoever_runs_on_is_watched_and_whoever_is_waited_for_says_so() -> None:
    assert {name for name, one in SERVICES.items() if "healthcheck" not in one} == ONE_SHOT
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            ends = how["condition"] == "service_completed_successfully"
            assert ends == (other in ONE_SHOT), f"{name} waits for {other}"


def test_images_are_pinned_and_nothing_listens_to_the_world() -> None:
    for name, service in SERVICES.items():
        if "build" not in service:
            assert re.search(r":\d+(\.\d+)*$", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_no_secret_stands_in_the_file() -> None:
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|PWD|SECRET|TOKEN", key):
                assert str(value).startswith("/run/secrets/"), f"{name}: {key}"
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())


def test_temporals_page_has_no_write_buttons() -> None:
    assert SERVICES["temporal-ui"]["environment"]["TEMPORAL_DISABLE_WRITE_ACTIONS"] == "true"


def test_a_worker_is_given_no_key_that_signs() -> None:
    mounted = {volume.split(":")[0] for volume in SERVICES["worker"]["volumes"]}
    assert not mounted & {v.split(":")[0] for v in SERVICES["serve"]["volumes"]}
    assert "firewall_key" not in SERVICES["serve"]["secrets"]


def test_the_namespace_has_the_search_attributes_of_the_program() -> None:
    script = (ROOT / "deploy" / "temporal_namespace.sh").read_text()
    assert dict(re.findall(r"^attribute (\w+) (\w+)$", script, re.MULTILINE)) == SEARCH_ATTRIBUTES


def test_the_images_copy_what_is_there() -> None:
    ignored = (ROOT / ".dockerignore").read_text()
    for file in (ROOT / "deploy").glob("*Dockerfile"):
        for line in re.findall(r"^COPY (?!--from)(.*)$", file.read_text(), re.MULTILINE):
            for source in [word for word in line.split() if not word.startswith("--")][:-1]:
                assert (ROOT / source).exists(), f"{file.name}: {source}"
                assert f"!{source.split('/')[0]}" in ignored, f"{file.name}: {source} is ignored"


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A copy of deploy/ on which prepare.sh has been run."""
    copy = tmp_path / "deploy"
    shutil.copytree(ROOT / "deploy", copy, ignore=shutil.ignore_patterns("local", "__pycache__"))
    subprocess.run(("sh", str(copy / "prepare.sh")), check=True, capture_output=True)
    return copy / "local"


def test_prepare_makes_every_secret_once(prepared: Path) -> None:
    wanted = {Path(one["file"]).name for one in COMPOSE["secrets"].values()}
    assert wanted <= {path.name for path in prepared.iterdir()}
    before = {path.name: path.read_bytes() for path in prepared.iterdir()}
    subprocess.run(("sh", str(prepared.parent / "prepare.sh")), check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in prepared.iterdir()} == before
    assert prepared.stat().st_mode & 0o077 == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def temporal(tmp_path: Path) -> AsyncIterator[int]:
    """The port of a Temporal of our own."""
    settings = TemporalSettings(port=free_port(), ui_port=free_port())
    server = Embedded(settings, tmp_path / "temporal")
    await server.start()
    yield settings.port
    await server.stop()


def environment_of(service: str, replaced: dict[str, str]) -> dict[str, str]:
    """A service's own variables, of which only places and ports are replaced."""
    given = {key: str(value) for key, value in SERVICES[service]["environment"].items()}
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return {**kept, **given, **{key: value for key, value in replaced.items() if key in given}}


@contextmanager
def started(service: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    """A service's command, running."""
    program, *words = SERVICES[service]["command"]
    assert program == "responder"
    with log.open("wb") as out:
        process = subprocess.Popen(
            (sys.executable, "-m", program, *words), env=environment, stdout=out, stderr=out
        )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(20) in (0, -15), log.read_text()[-2000:]


async def until(there: Any, what: str, logs: list[Path]) -> Any:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        try:
            if found := await there():
                return found
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.2)
    said = "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in logs if log.exists())
    raise AssertionError(f"{what} within {READY_SECONDS:g} s\n{said}")


def healthy(name: str, environment: dict[str, str]) -> bool:
    """What the container's own health check says."""
    command = (sys.executable, str(ROOT / "deploy" / "healthy.py"), name)
    return (
        subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(sys.platform != "linux", reason="not here: the images run Linux")
async def test_its_commands_start_and_take_an_alert_through(
    postgres_url: str, prepared: Path, temporal: int, tmp_path: Path
) -> None:
    url = make_url(postgres_url)
    (tmp_path / "store_password").write_text(url.password or "none")
    port, serve_state, worker_state = free_port(), tmp_path / "serve", tmp_path / "worker"
    places = {
        "RESPONDER_CONFIG": str(prepared / "responder.yaml"),
        "RESPONDER_STORE": url.set(
            password=None, drivername="postgresql+psycopg"
        ).render_as_string(),
        "RESPONDER_STORE_PASSWORD_FILE": str(tmp_path / "store_password"),
        "RESPONDER_TEMPORAL__ADDRESS": f"127.0.0.1:{temporal}",
        "RESPONDER_API__HOST": "127.0.0.1",
        "RESPONDER_API__PORT": str(port),
    }
    serve = environment_of("serve", {**places, "RESPONDER_STATE": str(serve_state)})
    worker = environment_of("worker", {**places, "RESPONDER_STATE": str(worker_state)})
    script = ROOT / "deploy" / "make_keys.py"
    make_keys = (sys.executable, str(script), str(serve_state), str(worker_state))
    await asyncio.to_thread(subprocess.run, make_keys, check=True)
    given = {p.name for p in (worker_state / "keys").iterdir()}
    assert given == {
        "payloads.json",
        "evidence.json",
        "marks.json",
        "warrants.json",
        "approvals.pub",
    }
    assert not (serve_state / "keys" / "warrants.json").exists()

    logs = [tmp_path / "serve.log", tmp_path / "worker-1.log", tmp_path / "worker-2.log"]
    with (
        started("serve", serve, logs[0]),
        started("worker", worker, logs[1]),
        started("worker", worker, logs[2]),
    ):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

            async def ready() -> bool:
                return (await client.get("/readyz")).status_code == httpx.codes.OK

            async def contained() -> Any:
                token = (serve_state / "keys" / "local.token").read_text()
                headers = {"authorization": f"Bearer {token}"}
                found = (await client.get("/api/leases", headers=headers)).json()
                return [one for one in found if one["outcome"] == "verified"]

            async def polled() -> Any:
                token = (prepared / "feed_token").read_text()
                headers = {"authorization": f"Bearer {token}"}
                answer = await client.get("/feeds/blocked.txt", headers=headers)
                return "203.0.113.9" in answer.text

            await until(ready, "serve was not ready", logs)
            assert healthy("serve", serve)
            answer = await post_alert(client, prepared)
            assert answer.status_code == httpx.codes.ACCEPTED, answer.text
            await until(polled, "the address was not on the feed", logs)
            held = await until(contained, "the block was not verified", logs)
            assert [one["summary"] for one in held] == ["block 203.0.113.9"]
            assert healthy("worker", worker)


async def post_alert(client: httpx.AsyncClient, prepared: Path) -> httpx.Response:
    """An alert of the source that prepare.sh has made a secret for."""
    settings = yaml.safe_load((prepared / "responder.yaml").read_text())
    secret = settings["sources"]["generic"]["auth"]["secrets"][0].removeprefix("whsec_")
    event = {"id": "1", "title": "Brute force on vpn", "severity": "high"}
    event["time"] = datetime.now(UTC).isoformat()
    body = json.dumps({"event": event, "source": {"ip": "203.0.113.9"}}).encode()
    delivery, now = f"msg_{secrets.token_hex(8)}", str(int(time.time()))
    signed = f"{delivery}.{now}.".encode() + body
    signature = base64.b64encode(hmac.digest(base64.b64decode(secret), signed, "sha256")).decode()
    headers = {
        "content-type": "application/json", "webhook-id": delivery, "webhook-timestamp": now,
        "webhook-signature": f"v1,{signature}",
    }  # fmt: skip
    return await client.post("/webhooks/generic", content=body, headers=headers)
