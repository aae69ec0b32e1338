"""What is to be rehearsed, made from the settings and an alert; and the process that rehearses it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from responder.catalogue import names
from responder.errors import AlertError, ConfigurationError, StateError
from responder.incident import Alert, Priority
from responder.intake.parse import parse
from responder.policy.availability import Asset
from responder.policy.judge import Policy
from responder.rehearsal.program import UNKNOWN
from responder.settings import Settings, read_settings
from responder.sources import NORMALISERS
from responder.sources.settings import FieldPaths, SourceSettings

_LONGEST = timedelta(days=400)
_GIVE_UP = 600.0  # seconds
Json = dict[str, Any]
# Without a configured source, `generic` is an alert that is written as ours are.
_PLAIN = {
    field: field
    for field in (
        "id", "title", "rule", "severity", "occurred", "techniques", "category", "networks", "hosts",
        "accounts",
    )
}  # fmt: skip


class Unknown(StateError):
    """No playbook has the name that was asked for."""


def wish_of(
    body: bytes, source: str, playbook: str, priority: str, answers: str, time: timedelta
) -> Json:
    """
    What the rehearsing process is given: alerts, policy and names of code; no credential of any kind.

    Raises `ConfigurationError` for an unknown source, priority or time, and `AlertError`'s words for
    a body that is not one.
    """
    settings = read_settings()
    chosen = _source(settings, source)
    try:
        found = NORMALISERS[chosen.kind](parse(body), chosen, source)
    except AlertError as error:
        raise type(error)(f"the alert: {error}; expected a delivery of {chosen.kind}") from error
    if not timedelta(0) < time <= _LONGEST:
        raise ConfigurationError(f"expected up to {_LONGEST.days} days to pass, found {time}")
    if priority and priority not in set(Priority):
        raise ConfigurationError(f"expected a priority from P1 to P4, found {priority!r}")
    policy, imagined = _peopled(settings.policy(), found.alerts)
    return {
        "imagined": imagined,
        "alerts": [alert.model_dump(mode="json") for alert in found.alerts],
        "kind": chosen.kind,
        "playbook": playbook,
        "priority": priority,
        "answers": answers,
        "seconds": time.total_seconds(),
        "policy": policy.model_dump(mode="json"),
        "triage": settings.triage.model_dump(mode="json"),
        "playbooks": [*names(settings, "playbooks")],
        "actions": [*names(settings, "actions")],
        "lookups": [*names(settings, "lookups")],
    }


def rehearsed(wish: Json) -> Json:
    """
    Rehearse in a process whose environment holds nothing but where programs are.

    Raises `StateError` with what that process said if it did not come to its end.
    """
    with tempfile.TemporaryDirectory(prefix="responder-simulate-") as folder:
        beside = Path(sys.executable).parent
        environment = {
            "PATH": f"{beside}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": folder,
            "LANG": "C.UTF-8",
        }
        done = subprocess.run(
            (sys.executable, "-m", "responder.rehearsal.program", folder),
            input=json.dumps(wish), capture_output=True, text=True, check=False, timeout=_GIVE_UP,
            cwd=folder, env=environment,
        )  # fmt: skip
        if done.returncode:
            if done.returncode == UNKNOWN:
                raise Unknown(done.stderr.strip())
            raise StateError(f"the rehearsal stopped: {_why(done.stderr) or done.returncode}")
        found: Json = json.loads(done.stdout.splitlines()[-1])
        return found


def _why(stderr: str) -> str:
    """The line that says most: of a process that died in native code, what Python wrote first."""
    said = [line.strip() for line in stderr.splitlines() if line.strip()]
    fatal = [n for n, line in enumerate(said) if line.startswith("Fatal Python error")]
    return " / ".join(said[fatal[0] :][:12]) if fatal else "".join(said[-1:])


def after(text: str) -> str:
    """How long after the alert, for a person: an ISO 8601 duration as `+1d 02:03:04`."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - loaded by then

    time = TypeAdapter(timedelta).validate_python(text)
    seconds = max(int(time.total_seconds()), 0)
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"+{days}d {clock}" if days else f"+{clock}"


def _peopled(policy: Policy, alerts: Sequence[Alert]) -> tuple[Policy, list[str]]:
    """*policy*, and the alerts' hosts that are imagined as ours because the inventory names none."""
    hosts = [] if policy.assets else list(dict.fromkeys(h for one in alerts for h in one.hosts))
    # As many more as there are hosts, so that isolating one never takes the last of anything.
    assets = [Asset(name=name) for name in (*hosts, *(f"another-{name}" for name in hosts))]
    return policy.model_copy(update={"assets": (*policy.assets, *assets)}), hosts


def _source(settings: Settings, name: str) -> SourceSettings:
    if (configured := settings.sources.get(name)) is not None:
        return configured
    if name in NORMALISERS:
        auth = {"scheme": "bearer", "tokens": ["only-for-this-command-not-used"]}
        # Nobody has said where a generic sender keeps what: each fact under its own name.
        mapping = {fact: fact for fact in FieldPaths.model_fields if fact in Alert.model_fields}
        described = {"mapping": mapping} if name == "generic" else {}
        return SourceSettings.model_validate({"kind": name, "auth": auth, **described})
    known = ", ".join(dict.fromkeys([*settings.sources, *NORMALISERS]))
    raise ConfigurationError(f"{name}: neither a configured source nor a kind; known: {known}")
