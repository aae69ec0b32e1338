"""Sources as the settings would give them, and the recorded deliveries beside this folder."""

import json
from pathlib import Path

from responder.sources.settings import SourceSettings

ALERTS = Path(__file__).parent.parent / "alerts"
TOKEN = "a-token-that-is-long-enough"
BEARER = {"scheme": "bearer", "tokens": [TOKEN]}


def source(kind: str, **settings: object) -> SourceSettings:
    """A source of this kind, with a bearer token unless said otherwise."""
    return SourceSettings.model_validate({"kind": kind, "auth": BEARER, **settings})


def cases() -> list[Path]:
    """Every recorded delivery: `<kind>/<case>.json` that has an expectation beside it."""
    return sorted(
        path for path in ALERTS.glob("*/*.json") if not path.stem.endswith((".expected", ".source"))
    )


def source_of(case: Path) -> SourceSettings:
    """The source of a recorded delivery; a generic one has its mapping in `<case>.source.json`."""
    beside = case.with_suffix(".source.json")
    settings = json.loads(beside.read_text()) if beside.exists() else {}
    return source(case.parent.name, **settings)
