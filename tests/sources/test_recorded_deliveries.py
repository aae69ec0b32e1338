"""A new case is a pair of files in `tests/alerts/<kind>` and no code."""

import json
from pathlib import Path
from typing import get_args

import pytest

from responder.intake.parse import parse
from responder.sources import NORMALISERS
from responder.sources.settings import Kind, SourceSettings
from tests.sources.configured import ALERTS, cases, source, source_of

PAYLOADS = Path(__file__).parents[2].parent / "shared" / "payloads"

# Third parties' own shapes, which only a mapping can read.
MAPPED = {
    "wazuh/keep_custom_integration.json": {
        "mapping": {"title": "message", "severity": "severity", "occurred": "created_at"},
        "severity_map": {"info": "informational"},
    },
}
FOLDERS = {"wazuh": "wazuh", "aws_guardduty": "guardduty", "alertmanager": "alertmanager"}


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.parent.name}-{case.stem}")
def test_a_recorded_delivery_becomes_the_expected_alerts(case: Path) -> None:
    sender = source_of(case)
    normalised = NORMALISERS[sender.kind](parse(case.read_bytes()), sender, "siem")
    expected = json.loads(case.with_suffix(".expected.json").read_text())
    assert normalised.model_dump(mode="json") == expected


def test_every_kind_has_a_normaliser_and_recorded_deliveries() -> None:
    kinds = set(get_args(Kind))
    assert set(NORMALISERS) == kinds
    assert {folder.name for folder in ALERTS.iterdir()} == kinds


def test_no_expectation_is_left_without_its_delivery() -> None:
    beside = {p for p in ALERTS.glob("*/*.json") if p.stem.endswith((".expected", ".source"))}
    own = {c.with_suffix(f".{of}.json") for c in cases() for of in ("expected", "source")}
    assert beside <= own


def real() -> list[Path]:
    return sorted(path for name in FOLDERS for path in (PAYLOADS / name).glob("*.json"))


@pytest.mark.skipif(not PAYLOADS.is_dir(), reason="not here: no real payloads beside it")
@pytest.mark.parametrize("payload", real(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_a_sender_really_sent_is_understood_without_a_fault(payload: Path) -> None:
    mapped = MAPPED.get(f"{payload.parent.name}/{payload.name}")
    sender: SourceSettings = (
        source("generic", **mapped) if mapped else source(FOLDERS[payload.parent.name])
    )
    value = parse(payload.read_bytes())
    normalised = NORMALISERS[sender.kind](value, sender, "siem")
    sent = value.get("alerts", [value]) if isinstance(value, dict) else value
    assert isinstance(sent, list)
    assert len(normalised.alerts) == len(sent)
    assert normalised.faults == ()
