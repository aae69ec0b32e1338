"""
Logs of an account, over HTTP, into a vault in a folder.

moto answers CloudTrail's LookupEvents with a server error, so the door answers it in the form of the
CloudTrail API Reference; the flow logs come from moto's CloudWatch Logs.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.aws import Aws
from activities.cloud_logs import ExportLogs
from activities.forensics import Acquired
from activities.providers.cloud_logs import CloudLogs
from responder.crypto.keyring import KeyRing
from responder.errors import Refused, Unreachable
from responder.evidence.custody import Chain, Touch
from responder.evidence.folder import FolderVault
from responder.evidence.model import Manifest
from responder.evidence.settings import CloudLogSource
from responder.evidence.vault import Kind, Place
from responder.evidence.verify import verify
from tests.providers.aws.server import Call, Door

INCIDENT = "INC-2026-0007"
END = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
START = END - timedelta(hours=2)
ACTION = ExportLogs(incident=INCIDENT, start=START, end=END)
GROUP = "/vpc/flow-logs"
SOURCE = CloudLogSource(cloud="prod", flow_log_groups=(GROUP, "/vpc/gone"))
RING = KeyRing.fresh()


@pytest.fixture
def vault(tmp_path: Path) -> FolderVault:
    return FolderVault(tmp_path / "evidence", lambda: RING)


@pytest.fixture
def export(aws: Aws, vault: FolderVault) -> CloudLogs:
    return CloudLogs(vault, aws, SOURCE, ACTION)


class Trail:
    """CloudTrail's event history: three events on two pages, or nothing."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.failing = False

    def __call__(self, call: Call) -> tuple[int, str, bytes] | None:
        if call.operation != "LookupEvents":
            return None
        asked = json.loads(call.body)
        self.asked.append(asked)
        kind = "application/x-amz-json-1.1"
        if self.failing and asked.get("NextToken"):
            return 400, kind, b'{"__type": "InvalidNextTokenException", "message": "gone"}'
        numbers, more = ((3,), {}) if asked.get("NextToken") else ((1, 2), {"NextToken": "page-2"})
        events = [
            {
                "EventId": f"e{number}", "EventName": "ConsoleLogin", "EventTime": START.timestamp() + number,
                "CloudTrailEvent": json.dumps({"eventVersion": "1.09", "eventID": f"e{number}"}),
            }
            for number in numbers
        ]  # fmt: skip
        return 200, kind, json.dumps({"Events": events} | more).encode()


@pytest.fixture
def trail(way: Door) -> Trail:
    made = Trail()
    way.answering.append(made)
    return made


@pytest.fixture
def flow_logs(colleague: Callable[[str], Any]) -> None:
    logs = colleague("logs")
    existing = [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]]
    if GROUP in existing:
        logs.delete_log_group(logGroupName=GROUP)
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="eni-1")
    at = [START - timedelta(hours=1), START + timedelta(minutes=1), END + timedelta(minutes=1)]
    events = [
        {"timestamp": int(moment.timestamp() * 1000), "message": f"2 123456789012 eni-1 flow {n}"}
        for n, moment in enumerate(at)
    ]
    logs.put_log_events(logGroupName=GROUP, logStreamName="eni-1", logEvents=events)
    logs.close()


async def exported(export: CloudLogs, **more: Any) -> Manifest:
    asked = {"key": "step", "until": None, "tag": INCIDENT} | more
    await export.write(Acquired.ACQUIRED, **asked)
    found = await export.read()
    assert found.state is Acquired.ACQUIRED
    assert isinstance(found.record, dict)
    return Manifest.model_validate(found.record["manifest"])


def lines(vault: FolderVault, name: str) -> list[Any]:
    place = Place(
        case=INCIDENT, host="prod", collection=ACTION.collection, kind=Kind.ARTEFACT, name=name
    )
    return [json.loads(line) for line in b"".join(vault.get(place)).splitlines()]


async def test_the_window_is_exported_hashed_and_kept(
    export: CloudLogs, vault: FolderVault, trail: Trail, flow_logs: None
) -> None:
    assert (await export.read()).state is Acquired.NONE
    manifest = await exported(export)
    assert [e["EventId"] for e in lines(vault, "cloudtrail.jsonl")] == ["e1", "e2", "e3"]
    assert (
        json.loads(lines(vault, "cloudtrail.jsonl")[0]["CloudTrailEvent"])["eventVersion"] == "1.09"
    )
    assert trail.asked[0] == {"StartTime": START.timestamp(), "EndTime": END.timestamp()}
    flows = lines(vault, "flow-logs/vpc_flow-logs.jsonl")
    assert [flow["message"] for flow in flows] == ["2 123456789012 eni-1 flow 1"]
    assert all(a.source_sha256 == a.vault_sha256 for a in manifest.artefacts)
    (missing,) = manifest.missing
    assert missing.name == "flow-logs/vpc_gone.jsonl"
    assert "ResourceNotFoundException" in missing.why
    assert [(v.complete, v.faults) for v in verify(vault)] == [(True, ())]
    entries = Chain(vault, INCIDENT, "prod", ACTION.collection).load().entries
    asked = next(e for e in entries if e.subject == "cloudtrail.jsonl")
    assert asked.command.startswith("123456789012 eu-central-1 cloudtrail lookup_events {")
    assert START.isoformat() in asked.command


async def test_an_export_that_broke_off_goes_on(
    export: CloudLogs, vault: FolderVault, trail: Trail, flow_logs: None
) -> None:
    trail.failing = True
    with pytest.raises(Unreachable, match="InvalidNextToken"):
        await exported(export)
    assert (await export.read()).state is Acquired.NONE
    assert not [p for p in vault.places() if p.kind is Kind.ARTEFACT], "half an answer was kept"
    trail.failing = False
    manifest = await exported(export)
    assert {a.name for a in manifest.artefacts} == {
        "cloudtrail.jsonl",
        "flow-logs/vpc_flow-logs.jsonl",
    }
    touches = [e.touch for e in Chain(vault, INCIDENT, "prod", ACTION.collection).load().entries]
    assert touches[:2] == [Touch.BEGAN, Touch.RESUMED]
    assert [v.faults for v in verify(vault)] == [()]


async def test_an_export_just_after_the_window_says_what_may_be_missing(
    aws: Aws, vault: FolderVault, trail: Trail
) -> None:
    now = datetime.now(UTC)
    action = ExportLogs(
        incident=INCIDENT, start=now - timedelta(hours=1), end=now - timedelta(minutes=1)
    )
    manifest = await exported(CloudLogs(vault, aws, CloudLogSource(cloud="prod"), action))
    assert [a.complaint for a in manifest.artefacts] == [
        "exported within 15 minutes of the window's end: the last events may not be in it"
    ]


async def test_what_cannot_be_is_refused(aws: Aws, vault: FolderVault, export: CloudLogs) -> None:
    ahead = ExportLogs(incident=INCIDENT, start=START, end=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(Unreachable, match="the window ends in the future"):
        await exported(CloudLogs(vault, aws, SOURCE, ahead))
    with pytest.raises(Refused, match="expected the incident of the run, INC-2026-0099"):
        await exported(export, tag="INC-2026-0099")
    with pytest.raises(Refused, match="evidence is kept"):
        await export.write(Acquired.NONE, key="undo", until=None, tag="")
    assert vault.places() == []


@pytest.mark.parametrize(
    ("start", "end"), [(END, START), (END, END), (START - timedelta(days=91), END), ("yesterday", END),
                       (START.replace(tzinfo=None), END)]
)  # fmt: skip
def test_a_window_is_one(start: object, end: object) -> None:
    with pytest.raises(ValidationError):
        ExportLogs.model_validate({"incident": INCIDENT, "start": start, "end": end})
