"""
P1 from end to end: a web shell on a server of the lab, which is also an instance of EC2 at moto.

Evidence is taken while the attacker is still signed in, two people decide about the isolation, the
CISO is paged and comes, and everything goes back to what it was. The pictures of the documentation
come from here: `RESPONDER_PICTURES=1` has them written.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ViewportSize, expect
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client

from activities.collecting.collectors import collectors
from activities.collecting.steps import STEPS, Profile, StepName
from activities.ssh import SSHShell
from responder.crypto.keyring import KeyRing
from responder.evidence.folder import FolderVault
from responder.evidence.settings import Scope
from responder.evidence.vault import Kind
from responder.evidence.verify import manifest_of, verify
from tests.chromium import chromium
from tests.e2e import browser as chrome
from tests.e2e import instance
from tests.e2e.conftest import on_the_lab
from tests.e2e.kept import keep
from tests.e2e.runner import SECRET, Runner
from tests.lab.network import ECHO, SSH, Lab, address
from tests.notify.receivers import ROUTING_KEY, Receiver, http
from tests.providers.aws.server import Door

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLE = Path(__file__).parents[2] / "examples" / "alerts" / "system_compromise.json"
FACTS = ("id", "occurred", "title", "rule", "severity", "techniques", "networks", "hosts")
_WAYS = 9  # four pairs, each over IPv4 and IPv6, and a ping
_TALL: ViewportSize = {"width": 1200, "height": 1400}
CHAIN = ("acknowledge", "contain", "resolve", "next-update")
# What the intruder left: a web shell, and a program that runs although its file is gone.
_INTRUSION = """
mkdir -p /root/site && echo '<?php system($_GET["c"]);' > /root/site/x.php &&
cp /bin/sleep /root/site/implant && (setsid /root/site/implant 600 >/dev/null 2>&1 </dev/null &) &&
sleep 0.2 && rm /root/site/implant
"""


@dataclass
class Night:
    """Everything there is that night."""

    runner: Runner
    pager: Receiver
    cloud: Door
    browser: Browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def night(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Night]:
    """A runner whose server is protected, so that isolating it needs two people."""
    with (
        http("pagerduty") as pager,
        instance.cloud(tmp_path_factory.mktemp("cloud")) as cloud,
    ):
        settings = on_the_lab(lab)
        inventory = settings["inventory"] | instance.clouds(cloud)
        inventory["hosts"][0] |= {"protected": True, "cloud": instance.launch(cloud, "web")}
        settings |= {
            "inventory": inventory,
            "evidence": {
                "scope": {"roots": ["/root/site"], "temporary": ["/root/site"], "logs": ["/root/site"]},
                "logs": [{"cloud": "prod"}],
            },
            "sources": {
                "siem": {
                    "kind": "generic",
                    "auth": {"scheme": "hmac", "header": "X-Signature", "secrets": [SECRET]},
                    "mapping": {fact: fact for fact in FACTS},
                }
            },
            "notify": {
                "channels": {
                    "pager": {"kind": "pagerduty", "routing_key": ROUTING_KEY, "url": pager.url}
                },
                "routes": [{"audience": "CISO", "channels": ["pager"]}],
            },
            "people": [
                {"name": "ana", "roles": ["operator"], "teams": ["Security Team"]},
                {"name": "ben", "roles": ["operator"], "teams": ["Operations"]},
                {"name": "cyd", "roles": ["viewer"], "teams": ["CISO"]},
                {"name": "root", "roles": ["admin"]},
            ],
        }  # fmt: skip
        runner = Runner(tmp_path_factory.mktemp("night"), settings)
        shell = SSHShell(lab.access("web"))
        planted = await shell.run("sh", "-c", _INTRUSION)
        assert planted.status == 0, planted
        async with chromium() as browser:
            await runner.start()
            yield Night(runner, pager, cloud, browser)
            await runner.close()
        await shell.run("sh", "-c", "pkill -x implant; rm -rf /root/site")
        await shell.close()


async def test_a_server_in_other_hands_is_recorded_cut_off_and_given_back(
    night: Night, lab: Lab, tmp_path: Path
) -> None:
    runner = night.runner
    before = {host: lab.ruleset(host) for host in ("web", "edge2")}
    intruder = lab.hold("attacker", "web")
    other = lab.hold("web", "db")
    assert intruder.flows()
    alert = json.loads(EXAMPLE.read_text()) | {"networks": [address("attacker")]}
    assert (await runner.post(alert, source="siem")).status_code == 202
    opened = await runner.about(address("attacker"))
    assert (opened["priority"], opened["category"]) == ("P1", "system_compromise")
    assert {one["clock"] for one in opened["clocks"]} == {*CHAIN}
    name = opened["id"]
    waiting = await runner.status(name, "waiting for approval", 60)

    # What is lost soonest was taken first, and all of it before the intruder could notice anything.
    evidence_is_in_order(runner, name)
    assert not intruder.flows(within=0.3), "the attacker's address is blocked without asking"
    assert not await asyncio.to_thread(lab.probe, "attacker", "web")
    assert other.flows(), "nobody has decided yet"
    assert await asyncio.to_thread(lab.probe, "db", "web")
    await looked_at_while_it_waits(night, waiting, tmp_path)

    [ask] = [one for one in waiting["asks"] if one["state"] == "open"]
    assert ask["tier"] == "T3", "a protected host needs two people, each with a second factor"
    await two_people_approve(night, lab, name, ask)
    await runner.status(name, "contained", 60)
    assert not other.flows(within=0.3)
    assert not await reached(lab)
    assert await asyncio.to_thread(lab.probe, "bastion", "web", SSH, timeout=2)
    assert groups(night.cloud) != {"theirs"}

    await the_ciso_comes(night, name)
    await the_disks_and_logs_are_kept(night, name)
    await temporal_knows(night, name)
    await temporal_shows(night, name, tmp_path)
    await keep(runner, name)
    await given_back(night, lab, name, before)


# -- evidence ----------------------------------------------------------------------------------


def evidence_is_in_order(runner: Runner, name: str) -> None:
    """The manifest's own times follow RFC 3227, and all of them are before the first change."""
    vault = evidence_of(runner)
    [place] = [p for p in vault.places(name) if p.kind is Kind.MANIFEST]
    manifest, _ = manifest_of(vault, place)
    ranks = {step.name: step.volatility for step in STEPS}
    taken = sorted(manifest.artefacts, key=lambda one: one.acquired)
    order = [ranks[step_of(one.name)] for one in taken]
    assert order == sorted(order), [one.name for one in taken]
    assert {step_of(one.name) for one in taken} >= {
        StepName.NETWORK, StepName.PROCESSES, StepName.MEMORY, StepName.DISK_TIMES, StepName.LOGS,
    }  # fmt: skip

    def kept(part: str) -> bytes:
        [found] = [p for p in vault.places(name) if p.kind is Kind.ARTEFACT and p.name == part]
        return b"".join(vault.get(found))

    assert address("attacker").encode() in kept("network/sockets"), "the intruder was connected"
    assert b"/root/site/x.php" in kept("times/disk.body")
    [implant] = [one.name for one in taken if one.name.startswith("executables/deleted/")]
    assert kept(implant) == Path("/bin/sleep").read_bytes(), "a program whose file was gone"

    query = "SELECT plan, begun, finished FROM steps WHERE run LIKE ? ORDER BY key"
    steps = runner.rows(query, f"{name}/%")
    plans = [json.loads(one["plan"])["changes"][0]["request"]["kind"] for one in steps]
    assert plans == ["CollectEvidence", "Block", "Isolate"]
    assert steps[0]["finished"] <= steps[1]["begun"], "nothing is changed before it is kept"
    assert steps[2]["begun"] is None


def step_of(artefact: str) -> StepName:
    """The step of a collection that takes an artefact of this name."""
    if artefact.startswith(("executables/deleted", "memory/")):
        return StepName.MEMORY
    found = collectors(Profile.TRIAGE, Scope(), since=0, until=1)
    return next(one.step for one in found if one.name == artefact)


def evidence_of(runner: Runner) -> FolderVault:
    """The vault of this runner."""
    state = runner.settings.state
    return FolderVault(state / "evidence", lambda: KeyRing.load(state / "keys" / "evidence.json"))


async def the_disks_and_logs_are_kept(night: Night, name: str) -> None:
    """Snapshots of the instance's volumes in another region, locked; the account's events; all of it holds."""
    runner, volumes = night.runner, f"volumes/{name}/web-1"

    async def verified() -> bool:
        held = (await runner.incident(name))["holds"]
        return {"resource": volumes, "outcome": "verified"}.items() <= next(
            (one for one in held if one["resource"] == volumes), {}
        ).items()

    await runner.until(verified, f"{volumes} to be complete, locked and digested", 60)
    made = instance.client(night.cloud, "ec2", instance.VAULT).describe_snapshots(
        Filters=[{"Name": "tag:responder:case", "Values": [volumes]}]
    )["Snapshots"]
    assert [one["Encrypted"] for one in made] == [True]
    locked = [one.params for one in night.cloud.calls if one.operation == "LockSnapshot"]
    assert {one["SnapshotId"] for one in locked} == {made[0]["SnapshotId"]}
    await done(runner, name)
    verdicts = verify(evidence_of(runner), name)
    assert [(one.complete, one.faults) for one in verdicts] == [(True, ()), (True, ())]


async def done(runner: Runner, name: str) -> None:
    """Wait for the incident's run to have ended well."""

    async def ended() -> dict[str, Any] | None:
        [run] = (await runner.incident(name))["runs"]
        return run if run["state"] != "open" else None

    run = await runner.until(ended, f"the run of {name} to end", 60)
    assert run["state"] == "done", run


# -- people ------------------------------------------------------------------------------------


async def two_people_approve(night: Night, lab: Lab, name: str, ask: dict[str, Any]) -> None:
    """One in the console with the code of an authenticator app, one more by the API."""
    runner = night.runner
    page = await chrome.signed_in(night.browser, runner, "ana")
    await page.goto(f"{runner.settings.api.origin}/incidents/{name}")
    await expect(page.locator(".number b")).to_have_text(str(ask["number"]))
    await page.get_by_label("The number shown with the plan").fill(str(ask["number"]))
    await page.get_by_label("Code of your authenticator app").fill(await runner.fresh_code("ana"))
    await page.get_by_role("button", name="Approve", exact=True).click()
    await expect(page.get_by_text("needs more people")).to_be_visible()
    await page.context.close()
    assert await asyncio.to_thread(lab.probe, "db", "web"), "one person alone isolates nothing"
    code = await runner.fresh_code("ben")
    verdict = {"approve": True, "digest": ask["digest"], "number": ask["number"], "code": code}
    await runner.api("POST", f"/api/asks/{ask['id']}/decisions", by="ben", json=verdict)


async def the_ciso_comes(night: Night, name: str) -> None:
    """The pager has it; whoever is of that role takes the page, and the playbook goes on."""
    runner = night.runner
    [page] = [one for one in await runner.api("GET", "/api/pages") if one["incident"] == name]
    assert page["role"] == "CISO"
    paged = [one for one in night.pager.taken if one["dedup_key"] == f"responder/{name}/CISO"]
    assert {one["payload"]["severity"] for one in paged} == {"critical"}
    assert "Web shell on a server" in paged[0]["payload"]["summary"]
    taken = await runner.api("POST", f"/api/pages/{page['id']}/ack", by="cyd")
    assert taken["by"] == "cyd"


# -- packets -----------------------------------------------------------------------------------


async def reached(lab: Lab) -> list[str]:
    """How the server is still reached: by a connection, by a ping, from it outwards."""
    pairs = (("db", "web"), ("attacker", "web"), ("web", "db"), ("web", "attacker"))
    found = [
        f"{source} to {target}, IPv{6 if v6 else 4}"
        for source, target in pairs
        for v6 in (False, True)
        if await asyncio.to_thread(lab.probe, source, target, ECHO, timeout=0.4, v6=v6)
    ]
    with suppress(RuntimeError):
        await asyncio.to_thread(lab.run, "db", "ping", "-c", "1", "-W", "1", address("web"))
        found.append("ping")
    return found


def groups(cloud: Door) -> set[str]:
    """The security groups of the instance's interface."""
    described = instance.client(cloud, "ec2").describe_network_interfaces()["NetworkInterfaces"]
    return {group["GroupName"] for one in described for group in one["Groups"]}


async def given_back(night: Night, lab: Lab, name: str, before: dict[str, str]) -> None:
    """The shell was a tester's: two people sign that, and then every rule is what it was."""
    runner = night.runner
    held = {one["resource"] for one in await runner.api("GET", "/api/leases")}
    assert held == {
        f"block/fra1/{address('attacker')}",
        f"block/ams1/{address('attacker')}",
        "filter/web-1",
        "instance/web-1",
    }
    closing = {"resolution": "false_positive", "code": await runner.fresh_code("ana")}
    await runner.api("POST", f"/api/incidents/{name}/close", json=closing)
    assert not await asyncio.to_thread(lab.probe, "db", "web"), (
        "one person alone gives nothing back"
    )
    [ask] = [one for one in (await runner.incident(name))["asks"] if one["state"] == "open"]
    ask = await runner.api("GET", f"/api/asks/{ask['id']}", by="ben")
    verdict = {"approve": True, "digest": ask["digest"], "number": ask["number"]}
    verdict |= {"code": await runner.fresh_code("ben")}
    await runner.api("POST", f"/api/asks/{ask['id']}/decisions", by="ben", json=verdict)

    async def as_before() -> bool:
        now = {host: await asyncio.to_thread(lab.ruleset, host) for host in before}
        return now == before and groups(night.cloud) == {"theirs"}

    await runner.until(as_before, "every rule to be what it was", 60)
    assert len(await reached(lab)) == _WAYS
    assert (await runner.api("GET", "/api/audit/verification"))["fault"] is None


# -- pages -------------------------------------------------------------------------------------


async def looked_at_while_it_waits(night: Night, waiting: dict[str, Any], folder: Path) -> None:
    """The console's page of the incident says what is asked, what was kept and what is in force."""
    page = await chrome.signed_in(night.browser, night.runner, "ana")
    await page.goto(f"{night.runner.settings.api.origin}/incidents/{waiting['id']}")
    await expect(page.locator("h1")).to_have_text(waiting["title"])
    await expect(page.locator(".asking")).to_contain_text("T3 waits for 2 people")
    await expect(page.locator(".asking")).to_contain_text("web-1 is a protected asset")
    await expect(page.locator("#leases")).to_contain_text(f"block {address('attacker')}")
    await expect(page.locator("#evidence")).to_contain_text("web-1")
    await chrome.pictures(page, "system-compromise-console", folder, page.locator("h1"))
    await page.context.close()


async def temporal_knows(night: Night, name: str) -> None:
    """What Temporal's list filters by, and the words that its page puts on timers and activities."""
    client = await night.runner.temporal()
    incident = client.get_workflow_handle(name)
    described = await incident.describe()
    found = {pair.key.name: pair.value for pair in described.typed_search_attributes}
    assert (
        found
        | {
            "IncidentPriority": "P1",
            "IncidentCategory": "system_compromise",
            "IncidentStatus": "contained",
            "IncidentSubject": address("attacker"),
            "SlaBreached": False,
            "WaitingFor": "nobody",
        }
        == found
    )
    assert await described.static_summary() == f"P1 system compromise: {address('attacker')}"
    known = await incident.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert known.current_details.startswith(f"# P1 · {name} · Web shell on a server")
    assert f"filter/web-1 · until {datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}" in (
        known.current_details
    )
    [run] = (await night.runner.incident(name))["runs"]
    said = await summaries(client, run["id"])
    assert said["collect evidence (triage) of web-1"] == "activity"
    assert said["isolate web-1"] == "activity"
    assert {kind for words, kind in said.items() if words.startswith("approve by ")} == {"timer"}
    assert {kind for words, kind in said.items() if words.startswith("page CISO again")} == {
        "timer"
    }
    clocks = await summaries(client, name)
    assert any(words.startswith("SLA acknowledge") for words in clocks), clocks


async def summaries(client: Client, workflow: str) -> dict[str, str]:
    """What the events of a workflow say of themselves: `timer` or `activity`, by their words."""
    codec = client.data_converter.payload_codec
    assert codec is not None
    begins = {
        EventType.EVENT_TYPE_TIMER_STARTED: "timer",
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "activity",
    }
    found = {}
    history = await client.get_workflow_handle(workflow).fetch_history()
    for event in history.events:
        if event.event_type in begins and event.HasField("user_metadata"):
            [payload] = await codec.decode([event.user_metadata.summary])
            found[json.loads(payload.data)] = begins[event.event_type]
    return found


async def temporal_shows(night: Night, name: str, folder: Path) -> None:
    """Temporal's own page of the incident has the board in clear, and the run's has every summary."""
    assert night.runner.supervisor is not None
    assert night.runner.supervisor.temporal is not None
    page = await chrome.stranger(night.browser)
    await page.set_viewport_size(_TALL)
    sealed: list[str] = []
    page.on("requestfailed", lambda one: sealed.append(one.url) if "/codec/" in one.url else None)
    workflows = f"{night.runner.supervisor.temporal.ui}/namespaces/responder/workflows"
    await page.goto(f"{workflows}/{name}")
    await page.get_by_role("tab", name="User Metadata").click(timeout=chrome.SLOWLY)
    board = page.frame_locator("iframe").last  # the page draws Markdown in a frame of its own
    await expect(board.get_by_text("Web shell on a server").first).to_be_visible(
        timeout=chrome.SLOWLY
    )
    await expect(board.get_by_text("filter/web-1").first).to_be_attached()
    title = board.get_by_text("Web shell on a server").first
    await chrome.pictures(page, "system-compromise-board", folder, title)
    await page.get_by_role("tab", name="Search Attributes").click()
    for words in ("IncidentPriority", "SlaDue"):
        await expect(page.get_by_text(words).first).to_be_visible(timeout=chrome.SLOWLY)
    [run] = (await night.runner.incident(name))["runs"]
    await page.goto(f"{workflows}/{run['id'].replace('/', '%2F')}")
    step = page.get_by_text("collect evidence (triage) of web-1").first
    await expect(step).to_be_attached(timeout=chrome.SLOWLY)
    await chrome.pictures(page, "system-compromise-run", folder, step)
    assert sealed == [], "nothing stays sealed on the page"
    await page.context.close()
