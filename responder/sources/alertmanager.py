"""Prometheus Alertmanager, webhook version 4: one alert for each of a group, resolved ones too."""

import re
from datetime import datetime
from functools import partial

from pydantic import JsonValue

from responder.incident import Alert, Severity
from responder.sources import reading
from responder.sources.moments import stamp
from responder.sources.reading import Normalised, Notes, Unusable, dig, first_of
from responder.sources.settings import SourceSettings

# Labels are free text; these are the words in use. Others come from the source's severity_map.
_SEVERITIES = {
    **dict.fromkeys(("critical", "page", "emergency", "fatal", "p1"), Severity.CRITICAL),
    **dict.fromkeys(("high", "error", "major", "p2"), Severity.HIGH),
    **dict.fromkeys(("medium", "warning", "warn", "minor", "p3"), Severity.MEDIUM),
    **dict.fromkeys(("low", "notice", "p4"), Severity.LOW),
    **dict.fromkeys(("informational", "info", "debug", "none"), Severity.INFORMATIONAL),
}
_NETWORK_LABELS = ("src_ip", "source_ip", "srcip", "client_ip", "remote_ip", "attacker_ip")
_HOST_LABELS = ("host", "hostname", "node", "nodename", "instance")
_ACCOUNT_LABELS = ("user", "username", "account")
_TECHNIQUE_LABELS = ("technique", "mitre_technique", "mitre_technique_id", "attack_technique")
_CATEGORY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PORT = re.compile(r":\d{1,5}$", re.ASCII)


def normalise(
    value: JsonValue, source: SourceSettings, name: str, received: datetime | None = None
) -> Normalised:
    """The alerts of one group notification."""
    alerts = dig(value, "alerts")
    if not isinstance(alerts, list):
        alerts = [None]
    read = partial(_alert, source=source, name=name, received=received)
    normalised = reading.each(alerts, read, "alerts")
    truncated = dig(value, "truncatedAlerts")
    if isinstance(truncated, int) and truncated > 0:
        fault = f"{truncated} more alerts were not sent; raise max_alerts at the sender"
        return Normalised(alerts=normalised.alerts, faults=(*normalised.faults, fault))
    return normalised


def _alert(
    value: JsonValue, notes: Notes, *, source: SourceSettings, name: str, received: datetime | None
) -> Alert:
    labels, annotations = dig(value, "labels"), dig(value, "annotations")
    if not isinstance(labels, dict) or not labels:
        raise Unusable("expected an Alertmanager alert but found no labels in it")
    when = reading.occurred(notes, received, dig(value, "startsAt"))
    fingerprint = first_of(dig(value, "fingerprint"))
    if not isinstance(fingerprint, str):
        fingerprint = reading.digest(labels)
    rule = reading.line(first_of(labels.get("alertname"), source.defaults.rule), 255)
    title = first_of(
        dig(annotations, "summary"), dig(annotations, "title"), rule, source.defaults.title
    )
    over = dig(value, "status") == "resolved"
    category = labels.get("category")
    fits = isinstance(category, str) and _CATEGORY.fullmatch(category)
    return Alert(
        # The fingerprint is that of the labels and comes again with every firing.
        # Its end is an alert of its own: it must not be taken for a repetition of its beginning.
        id=reading.key(fingerprint, stamp(when), *(["resolved"] if over else [])),
        source=name,
        title=reading.line(title) or f"an alert of {name}",
        rule=rule,
        severity=_severity(labels.get("severity"), source, notes),
        occurred=when,
        techniques=reading.techniques(
            notes, "labels", (t for n in _TECHNIQUE_LABELS for t in _split(labels.get(n)))
        ),
        category=str(category) if fits else source.defaults.category,
        networks=reading.networks(notes, "labels", (labels.get(n) for n in _NETWORK_LABELS)),
        hosts=reading.hosts(notes, "labels", (_host(labels),)),
        accounts=reading.accounts(notes, "labels", (labels.get(n) for n in _ACCOUNT_LABELS)),
        over=over,
    )


def _severity(label: JsonValue, source: SourceSettings, notes: Notes) -> Severity:
    usual = source.defaults.severity or Severity.MEDIUM
    if label is None:
        return usual
    if isinstance(label, str) and (found := source.severity_map.get(label)):
        return found
    if isinstance(label, str) and (found := _SEVERITIES.get(label.lower())):
        return found
    notes.say(f"labels.severity: {reading.quoted(label)} is in no severity_map; taken as {usual}")
    return usual


def _host(labels: dict[str, JsonValue]) -> JsonValue:
    """The machine it is about: an instance is `host:port`, and localhost is every machine."""
    host = first_of(*(labels.get(name) for name in _HOST_LABELS))
    if not isinstance(host, str):
        return host
    host = _PORT.sub("", host) if host.count(":") == 1 else host
    return None if host == "localhost" else host


def _split(value: JsonValue) -> list[JsonValue]:
    return list(re.split(r"[,\s]+", value)) if isinstance(value, str) else reading.items(value)
