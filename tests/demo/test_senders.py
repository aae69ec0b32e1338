"""What the demo's senders say, as our own intake reads it."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from responder.demo.cast import ATTACKER, SCANNER
from responder.demo.senders import Delivery, Senders
from responder.errors import Unauthentic
from responder.incident import Alert, Priority
from responder.intake.authenticate import authenticate
from responder.intake.parse import parse
from responder.sources import NORMALISERS
from responder.sources.settings import SourceSettings, shared_secrets
from responder.triage import Triage, assess

SENDERS = Senders()
SOURCES = TypeAdapter(dict[str, SourceSettings]).validate_python(SENDERS.settings)


def test_wazuh_reports_a_brute_force_of_priority_2_that_names_the_host() -> None:
    alert = read(SENDERS.wazuh(ATTACKER))
    assert assess(alert, Triage(), "wazuh").priority is Priority.P2
    assert assess(alert, Triage(), "wazuh").category == "authentication_attack"
    assert alert.hosts == ("web-1",)
    assert alert.techniques == ("T1110.001",)


def test_guardduty_says_the_same_and_nothing_that_is_new() -> None:
    first, second = read(SENDERS.wazuh(ATTACKER)), read(SENDERS.guardduty(ATTACKER))
    about = [assess(alert, Triage()) for alert in (first, second)]
    assert (about[0].category, about[0].subject) == (about[1].category, about[1].subject)
    assert not second.indicators - first.indicators


def test_the_sensor_is_read_by_the_mapping_in_the_settings() -> None:
    alert = read(SENDERS.sensor(SCANNER))
    assert [str(network) for network in alert.networks] == [f"{SCANNER.address}/32"]
    assert alert.title == f"{SCANNER.address} tries every path of the shop"


def test_each_sender_has_a_secret_of_its_own() -> None:
    assert shared_secrets(SOURCES) == []


def test_a_delivery_signed_with_another_key_is_not_authentic() -> None:
    with pytest.raises(Unauthentic, match="does not match the body"):
        read(SENDERS.signed_by_wazuh(SENDERS.wazuh(ATTACKER).body, "x" * 32))


def read(delivery: Delivery) -> Alert:
    """The one alert of a delivery, after its authentication."""
    source = SOURCES[delivery.source]
    headers = [(k.encode(), v.encode()) for k, v in delivery.headers.items()]
    authenticate(source, headers, delivery.body, datetime.now(UTC))
    found = NORMALISERS[source.kind](parse(delivery.body), source, delivery.source)
    assert found.faults == ()
    (alert,) = found.alerts
    return alert
