"""What the settings of certificates come to: a schedule, what is approved in advance, and faults."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from responder.incident import Indicators, Priority
from responder.policy.judge import Case, judge
from responder.policy.tiers import Ruling, Tier
from responder.settings import Settings

CERTIFICATE = {
    "name": "web-tls",
    "host": "web1",
    "certificate": "/etc/ssl/web.pem",
    "key": "/etc/ssl/web.key",
    "common_name": "web.example.com",
    "dns": ["web.example.com"],
}
AUTHORITY = {"certificate": "/etc/responder/ca.pem", "key": "/etc/responder/ca-key.pem"}


def settings(*, hosts: tuple[str, ...] = ("web1",), **other: Any) -> Settings:
    rotation = {"authority": AUTHORITY, "certificates": [CERTIFICATE], **other}
    inventory = {"hosts": [{"name": name} for name in hosts]}
    return Settings.model_validate({"inventory": inventory, "certificate_rotation": rotation})


def test_certificates_are_looked_at_each_sunday_at_two_and_renewed_thirty_days_before() -> None:
    found = settings()
    [schedule] = found.planned
    assert (schedule.name, schedule.cron) == ("certificate-rotation", "0 2 * * 0")
    assert (schedule.category, schedule.what) == ("certificate_rotation", ("web-tls",))
    assert schedule.due.fits(datetime(2026, 11, 22, 2, tzinfo=UTC))
    assert not schedule.due.fits(datetime(2026, 11, 23, 2, tzinfo=UTC))
    assert found.rotation.certificates.renew_before == timedelta(days=30)
    assert Settings().planned == ()


@pytest.mark.parametrize(
    ("named", "approval", "expected"),
    [
        (Indicators(accounts=("web-tls",)), "standing", Ruling.ALLOW),
        (Indicators(accounts=("web-tls",)), "ask", Ruling.ASK),
        (Indicators(hosts=("web1",)), "standing", Ruling.ASK),
    ],
)
def test_only_what_the_settings_and_the_incident_name_is_renewed_unasked(
    named: Indicators, approval: str, expected: Ruling
) -> None:
    case = Case(
        kind="RenewCertificate",
        summary="renew",
        tier=Tier.T2,
        lasts=None,
        reversible=False,
        touches=Indicators(accounts=("web-tls",)),
    )
    policy = settings(approval=approval).policy()
    [verdict] = judge(policy, [case], priority=Priority.P4, indicators=named, used={})
    assert verdict.ruling is expected


def test_a_certificate_of_an_unknown_host_is_a_fault() -> None:
    with pytest.raises(ValidationError, match="web-tls is on web1, which is not in the inventory"):
        settings(hosts=("web2",))


def test_the_schedules_name_is_taken() -> None:
    mine = {
        "name": "certificate-rotation",
        "cron": "0 2 * * 1",
        "category": "key_rotation",
        "what": ["x"],
    }
    with pytest.raises(ValidationError, match="certificate_rotation's own schedule"):
        Settings.model_validate({"schedules": [mine]})
