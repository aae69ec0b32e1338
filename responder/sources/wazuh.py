"""Wazuh: an alert as `alerts.json` has it, bare or in the `all_fields` of stock integrations."""

import re
from datetime import datetime
from functools import partial

from pydantic import JsonValue

from responder.incident import Alert, Severity
from responder.sources import reading
from responder.sources.moments import stamp
from responder.sources.reading import Normalised, Notes, Unusable, dig, first_of
from responder.sources.settings import SourceSettings

# The bands of Wazuh's own dashboard; what is below 4 it keeps from its alerts by default.
_BANDS = (
    (3, Severity.INFORMATIONAL),
    (6, Severity.LOW),
    (11, Severity.MEDIUM),
    (14, Severity.HIGH),
    (16, Severity.CRITICAL),
)

# Rule groups that are a category of ours; `authentication_failed` is one wrong password, so not.
_CATEGORIES = {
    "authentication_failures": "authentication_attack",
    "malware": "malware_on_host",
    "rootkit": "malware_on_host",
    "virustotal": "malware_on_host",
    "yara": "malware_on_host",
    "policy_violation": "policy_violation",
}

_MANAGER = "000"
_UID = re.compile(r"\(uid=\d{1,10}\)$", re.ASCII)
# Who Windows names when nobody signed in, or when it did so itself.
_NOBODY = frozenset({"ANONYMOUS LOGON", "SYSTEM", "LOCAL SERVICE", "NETWORK SERVICE"})


def normalise(
    value: JsonValue, source: SourceSettings, name: str, received: datetime | None = None
) -> Normalised:
    """The alerts of one delivery; shippers send several in an array."""
    del source
    return reading.each(
        reading.items(value), partial(_alert, name=name, received=received), "alerts"
    )


def _alert(value: JsonValue, notes: Notes, *, name: str, received: datetime | None) -> Alert:
    wrapped = dig(value, "all_fields")
    event = wrapped if isinstance(wrapped, dict) else value
    rule = dig(event, "rule")
    if not isinstance(rule, dict):
        raise Unusable("expected a Wazuh alert but found no rule in it")
    when = reading.occurred(notes, received, dig(event, "timestamp"), dig(event, "@timestamp"))
    rule_id = reading.line(rule.get("id"), 255)
    sent_id = first_of(dig(event, "id"), dig(value, "id"))
    if not isinstance(sent_id, str | int) or isinstance(sent_id, bool):
        agent = reading.line(dig(event, "agent", "id"), 64)
        sent_id = reading.key(rule_id, agent, stamp(when))
    data, win = dig(event, "data"), dig(event, "data", "win", "eventdata")
    groups = [g for g in reading.items(rule.get("groups")) if isinstance(g, str)]
    return Alert(
        id=reading.key(sent_id),
        source=name,
        title=reading.line(first_of(rule.get("description"), dig(value, "title")))
        or f"Wazuh rule {rule_id}",
        rule=rule_id,
        severity=_severity(rule.get("level")),
        occurred=when,
        techniques=reading.techniques(
            notes, "rule.mitre.id", reading.items(dig(rule, "mitre", "id"))
        ),
        category=next((_CATEGORIES[g] for g in groups if g in _CATEGORIES), None),
        networks=reading.networks(
            notes,
            "data",
            (
                dig(data, "srcip"),
                dig(data, "src_ip"),
                dig(data, "srcIp"),
                dig(data, "source_ip"),
                dig(win, "ipAddress"),
                dig(data, "aws", "sourceIPAddress"),
                dig(data, "office365", "ClientIP"),
                dig(event, "srcip"),
            ),
        ),
        hosts=reading.hosts(notes, "agent.name", (_host(event),)),
        accounts=reading.accounts(
            notes,
            "data",
            (
                _account(dig(data, "dstuser")),
                _account(dig(data, "srcuser")),
                _account(dig(win, "targetUserName")),
            ),
        ),
    )


def _severity(level: JsonValue) -> Severity:
    if isinstance(level, int) and not isinstance(level, bool) and level >= 0:
        for highest, severity in _BANDS:
            if level <= highest:
                return severity
    raise Unusable(f"rule.level: expected 0 to {_BANDS[-1][0]} but found {reading.quoted(level)}")


def _host(event: JsonValue) -> JsonValue:
    """Where it happened: what reaches the manager by syslog bears the manager's own agent name."""
    agent = dig(event, "agent", "name")
    if dig(event, "agent", "id") == _MANAGER:
        return first_of(dig(event, "predecoder", "hostname"), agent)
    return agent


def _account(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        return value
    return None if value in _NOBODY else _UID.sub("", value)
