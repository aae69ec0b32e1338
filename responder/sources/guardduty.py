"""Amazon GuardDuty: a finding in EventBridge's envelope, bare, or in the API's `Findings` list."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from pydantic import JsonValue

from responder.incident import Alert, Severity
from responder.sources import reading
from responder.sources.guardduty_types import meaning
from responder.sources.moments import moment, stamp
from responder.sources.reading import Normalised, Notes, Unusable, first_of
from responder.sources.settings import SourceSettings

_BANDS = ((1, Severity.INFORMATIONAL), (4, Severity.LOW), (7, Severity.MEDIUM), (9, Severity.HIGH))
_WORST = 10


def normalise(
    value: JsonValue, source: SourceSettings, name: str, received: datetime | None = None
) -> Normalised:
    """The findings of one delivery."""
    del source
    findings = [found for element in reading.items(value) for found in _findings(element)]
    return reading.each(findings, partial(_alert, name=name, received=received), "findings")


def _findings(value: JsonValue) -> list[JsonValue]:
    """What an envelope holds, or the value itself."""
    detail = _dig(value, "detail")
    listed = _dig(value, "findings")
    if isinstance(detail, dict):
        return [detail]
    return listed if isinstance(listed, list) else [value]


def _dig(value: JsonValue, *keys: str) -> JsonValue:
    """What is below *keys* in either spelling: `remoteIpDetails` or the API's `RemoteIpDetails`."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value[key] if key in value else value.get(f"{key[0].upper()}{key[1:]}")
    return value


def _alert(finding: JsonValue, notes: Notes, *, name: str, received: datetime | None) -> Alert:
    sent_id, kind = _dig(finding, "id"), _dig(finding, "type")
    if not isinstance(sent_id, str) or not sent_id or not isinstance(kind, str) or not kind:
        raise Unusable("expected a GuardDuty finding but found no id and type in it")
    service, resource = _dig(finding, "service"), _dig(finding, "resource")
    updated = first_of(_dig(finding, "updatedAt"), _dig(finding, "createdAt"))
    update = moment(updated)
    technique, category = meaning(kind)
    if category == "authentication_attack" and _dig(service, "resourceRole") == "ACTOR":
        category = "system_compromise"  # ours is the one that attacks: somebody else commands it
    return Alert(
        # The id stays when a finding goes on; the time of the update tells one from the next.
        id=reading.key(sent_id) if update is None else reading.key(sent_id, stamp(update)),
        source=name,
        title=reading.line(first_of(_dig(finding, "title"), kind)),
        rule=reading.line(kind, 255),
        severity=_severity(_dig(finding, "severity")),
        occurred=reading.occurred(notes, received, _dig(service, "eventLastSeen"), updated),
        techniques=(technique,) if technique else (),
        category=category,
        networks=reading.networks(notes, "service.action", _remotes(_dig(service, "action"))),
        hosts=reading.hosts(
            notes, "resource.instanceDetails", (_dig(resource, "instanceDetails", "instanceId"),)
        ),
        accounts=reading.accounts(
            notes,
            "resource",
            (
                _dig(resource, "accessKeyDetails", "userName"),
                _dig(resource, "kubernetesDetails", "kubernetesUserDetails", "username"),
                _dig(resource, "rdsDbUserDetails", "user"),
            ),
        ),
        # Somebody put it aside in GuardDuty itself.
        over=_dig(service, "archived") is True,
    )


def _severity(value: JsonValue) -> Severity:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _WORST:
        for below, severity in _BANDS:
            if value < below:
                return severity
        return Severity.CRITICAL
    raise Unusable(f"severity: expected 0 to {_WORST} but found {reading.quoted(value)}")


def _remotes(action: JsonValue) -> Iterator[JsonValue]:
    """
    The other end, under whichever action it is.

    When our resource is the ACTOR, the remote is where it connected to rather than who came: it is
    the indicator all the same, and ours is never under this key.
    """
    for kind in action.values() if isinstance(action, dict) else ():
        below = list(kind.values()) if isinstance(kind, dict) else []
        for place in [kind, *(item for part in below if isinstance(part, list) for item in part)]:
            remote = _dig(place, "remoteIpDetails")
            yield _dig(remote, "ipAddressV4")
            yield _dig(remote, "ipAddressV6")
