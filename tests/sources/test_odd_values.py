"""The bad inputs that reach a normaliser: whatever is odd is left out and said, never obeyed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from responder.errors import AlertError, Malformed
from responder.incident import Severity
from responder.sources import NORMALISERS
from responder.sources.reading import Normalised
from responder.sources.settings import Kind, SourceSettings
from tests.sources.configured import source

WHEN = "2026-03-04T05:06:07Z"
MAPPING = {
    "id": "id",
    "title": "title",
    "rule": "rule",
    "severity": "severity",
    "occurred": "occurred",
    "techniques": "techniques",
    "category": "category",
    "networks": "ip",
    "hosts": "host",
    "accounts": "user",
    "over": "over",
}
GENERIC = source("generic", mapping=MAPPING)
LISTED = source("generic", mapping={"alerts": "[]", **MAPPING})


def generic(**fields: JsonValue) -> Normalised:
    value: JsonValue = {"id": "1", "title": "t", "severity": "high", "occurred": WHEN, **fields}
    return NORMALISERS["generic"](value, GENERIC, "siem")


def wazuh(**fields: JsonValue) -> Normalised:
    event: JsonValue = {"id": "1", "timestamp": WHEN, "rule": {"id": "1", "level": 10}, **fields}
    return NORMALISERS["wazuh"](event, source("wazuh"), "siem")


def guardduty(**fields: JsonValue) -> Normalised:
    finding: JsonValue = {
        "id": "1",
        "type": "Policy:X/Y",
        "severity": 5,
        "updatedAt": WHEN,
        **fields,
    }
    return NORMALISERS["guardduty"](finding, source("guardduty"), "siem")


def alertmanager(**fields: JsonValue) -> Normalised:
    alert: JsonValue = {"labels": {"alertname": "A"}, "startsAt": WHEN, **fields}
    return NORMALISERS["alertmanager"]({"alerts": [alert]}, source("alertmanager"), "siem")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ip", {}), ("ip", 5), ("ip", [["203.0.113.1"]]), ("ip", True), ("host", {"name": "x"}),
        ("host", 7), ("user", [{}]), ("techniques", 1110), ("category", ["x"]),
    ],
)  # fmt: skip
def test_47_an_indicator_of_the_wrong_type_is_left_out_and_said(
    field: str, value: JsonValue
) -> None:
    normalised = generic(**{field: value})
    alert = normalised.alerts[0]
    assert not alert.indicators
    assert (alert.techniques, alert.category) == ((), None)
    assert len(normalised.faults) == 1
    assert normalised.faults[0].endswith("left out")


@pytest.mark.parametrize("severity", [["P1"], {}, True, 1.5, 0], ids=repr)
def test_47_a_severity_of_the_wrong_type_is_malformed(severity: JsonValue) -> None:
    with pytest.raises(Malformed, match="severity: expected one of"):
        generic(severity=severity)


@pytest.mark.parametrize("severity", ["P0", " p1 ", "high ", "", "\uff48igh", None])
def test_48_a_severity_nobody_knows_is_malformed(severity: JsonValue) -> None:
    with pytest.raises(Malformed, match="severity: expected one of"):
        generic(severity=severity)


@pytest.mark.parametrize("level", [None, "10", -1, 17, 3.5, True, [10], 2**62], ids=repr)
def test_48_a_wazuh_level_out_of_range_is_malformed(level: JsonValue) -> None:
    with pytest.raises(Malformed, match=r"rule\.level: expected 0 to 16"):
        wazuh(rule={"id": "1", "level": level})


@pytest.mark.parametrize("severity", [None, "8", -0.1, 10.1, True, {}], ids=repr)
def test_48_a_guardduty_severity_out_of_range_is_malformed(severity: JsonValue) -> None:
    with pytest.raises(Malformed, match="severity: expected 0 to 10"):
        guardduty(severity=severity)


def by_generic(text: JsonValue) -> Normalised:
    return generic(ip=text)


def by_wazuh(text: JsonValue) -> Normalised:
    return wazuh(data={"srcip": text})


def by_guardduty(text: JsonValue) -> Normalised:
    action: JsonValue = {"awsApiCallAction": {"remoteIpDetails": {"ipAddressV4": text}}}
    return guardduty(service={"action": action})


def by_alertmanager(text: JsonValue) -> Normalised:
    return alertmanager(labels={"alertname": "A", "src_ip": text})


SENDERS = [by_generic, by_wazuh, by_guardduty, by_alertmanager]


@pytest.mark.parametrize("send", SENDERS)
@pytest.mark.parametrize(
    "text",
    [
        "010.0.0.1", "0x7f.1", "2130706433", "\uff11.\uff12.\uff13.\uff14", "1.2.3.4\n",
        " 1.2.3.4", "1.2.3",
        "1.2.3.4; reboot", "$(id)", "0.0.0.0/0", "10.0.0.1/8", "203.0.113.7/32", "fe80::1%eth0",
        "203.0.113.7:22", "[2001:db8::1]", "2001:db8::1::", "203.0.113.1,203.0.113.2",
        "attacker.example.com", "x" * 10_000,
    ],
)  # fmt: skip
def test_53_an_address_in_an_odd_spelling_is_never_an_indicator(
    send: Callable[[JsonValue], Normalised], text: str
) -> None:
    normalised = send(text)
    assert normalised.alerts[0].networks == ()
    (fault,) = normalised.faults
    assert "is not a plain address; left out" in fault
    assert fault.isprintable()
    assert len(fault) < 200


@pytest.mark.parametrize("send", SENDERS)
@pytest.mark.parametrize("text", ["", "-", "N/A", "unknown", None, "127.0.0.1", "::1", "0.0.0.0"])  # noqa: S104
def test_nothing_and_this_machine_are_no_attacker(
    send: Callable[[JsonValue], Normalised], text: JsonValue
) -> None:
    normalised = send(text)
    assert normalised.alerts[0].networks == ()
    assert normalised.faults == ()


@pytest.mark.parametrize("send", SENDERS)
@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("2001:DB8:0::1", "2001:db8::1/128"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("10.1.2.3", "10.1.2.3/32"),
    ],
)
def test_a_plain_address_is_an_indicator_in_one_spelling(
    send: Callable[[JsonValue], Normalised], text: str, network: str
) -> None:
    assert [str(n) for n in send(text).alerts[0].networks] == [network]


def test_prose_becomes_one_printable_line_of_a_bounded_length() -> None:
    alert = generic(title="a\r\n\x1b[31mb\u202ec" + "d" * 1000, rule="x" * 300).alerts[0]
    assert alert.title.startswith("a [31mb c")
    assert alert.title.isprintable()
    assert len(alert.title) == 500
    assert len(alert.rule) == 255


@pytest.mark.parametrize("text", ["x" * 256, "a\nb", "a\x1bb"])
def test_an_id_that_may_not_be_written_is_replaced_by_its_digest(text: str) -> None:
    alert = generic(id=text).alerts[0]
    assert alert.id.startswith("sha256:")
    assert generic(id=text).alerts[0].id == alert.id != generic(id=f"{text}.").alerts[0].id


def test_an_alert_without_an_id_has_the_same_id_however_its_keys_are_ordered() -> None:
    one = NORMALISERS["generic"](
        {"title": "t", "severity": "low", "occurred": WHEN}, GENERIC, "siem"
    )
    other = NORMALISERS["generic"](
        {"occurred": WHEN, "severity": "low", "title": "t"}, GENERIC, "siem"
    )
    assert one == other


def test_a_large_integer_is_an_id_to_the_last_digit() -> None:
    assert generic(id=1290568698312097725).alerts[0].id == "1290568698312097725"


def test_a_time_that_is_none_is_when_it_was_received_or_the_alert_is_unusable() -> None:
    received = datetime(2026, 3, 4, tzinfo=UTC)
    value: JsonValue = {"id": "1", "severity": "low", "occurred": "soon"}
    with pytest.raises(Malformed, match="expected the time it happened but found 'soon'"):
        NORMALISERS["generic"](value, GENERIC, "siem")
    normalised = NORMALISERS["generic"](value, GENERIC, "siem", received)
    assert normalised.alerts[0].occurred == received
    assert "taken as when it was received" in normalised.faults[0]


def test_one_bad_element_does_not_reject_the_rest_and_all_bad_ones_do() -> None:
    good: JsonValue = {"id": "1", "severity": "low", "occurred": WHEN}
    normalised = NORMALISERS["generic"]([None, good, {}], LISTED, "siem")
    assert [alert.id for alert in normalised.alerts] == ["1"]
    assert len(normalised.faults) == 2
    nothing: list[JsonValue] = [None] * 10
    with pytest.raises(Malformed, match="and 7 more"):
        NORMALISERS["generic"](nothing, LISTED, "siem")


@pytest.mark.parametrize("empty", [{"alerts": []}, {"alerts": "x"}, {"alerts": [None]}, {}, []])
@pytest.mark.parametrize("kind", ["wazuh", "guardduty", "alertmanager"])
def test_a_delivery_without_any_alert_is_malformed(kind: Kind, empty: JsonValue) -> None:
    with pytest.raises(Malformed):
        NORMALISERS[kind](empty, source(kind), "siem")


def test_the_faults_of_one_delivery_are_bounded() -> None:
    good: JsonValue = {"id": "1", "severity": "low", "occurred": WHEN}
    normalised = NORMALISERS["generic"]([good, *[None] * 500], LISTED, "siem")
    assert len(normalised.faults) == 51
    assert normalised.faults[-1] == "and 450 more"


def test_an_archived_finding_is_over() -> None:
    assert guardduty(service={"archived": True}).alerts[0].over
    assert not guardduty(service={"archived": "true"}).alerts[0].over


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        (0.5, Severity.INFORMATIONAL), (1, Severity.LOW), (3.9, Severity.LOW),
        (4, Severity.MEDIUM), (6.9, Severity.MEDIUM), (7, Severity.HIGH), (8.9, Severity.HIGH),
        (9, Severity.CRITICAL), (10, Severity.CRITICAL),
    ],
)  # fmt: skip
def test_guardduty_severities_fall_into_their_bands(severity: float, expected: Severity) -> None:
    assert guardduty(severity=severity).alerts[0].severity is expected


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (0, Severity.INFORMATIONAL), (3, Severity.INFORMATIONAL), (4, Severity.LOW),
        (7, Severity.MEDIUM), (11, Severity.MEDIUM), (12, Severity.HIGH), (15, Severity.CRITICAL),
    ],
)  # fmt: skip
def test_wazuh_levels_fall_into_the_bands_of_its_dashboard(level: int, expected: Severity) -> None:
    assert wazuh(rule={"id": "1", "level": level}).alerts[0].severity is expected


@pytest.mark.parametrize(
    "settings_",
    [
        {"kind": "generic"},
        {"kind": "generic", "mapping": {"title": "t"}},
        {"kind": "wazuh", "mapping": MAPPING},
        {"kind": "wazuh", "severity_map": {"1": "low"}},
        {"kind": "generic", "mapping": {**MAPPING, "title": "a b"}},
        {"kind": "generic", "mapping": {**MAPPING, "unknown": "a"}},
    ],
)
def test_settings_that_cannot_read_a_delivery_are_refused(settings_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source(**settings_)


KEYS = [
    "alerts", "labels", "annotations", "startsAt", "fingerprint", "status", "alertname", "rule",
    "level", "id", "timestamp", "data", "srcip", "agent", "name", "all_fields", "detail", "service",
    "resource", "action", "remoteIpDetails", "ipAddressV4", "type", "severity", "updatedAt", "Id",
    "Findings", "title", "occurred", "ip", "host", "user", "mitre", "groups", "truncatedAlerts",
]  # fmt: skip
VALUES = [WHEN, "high", 5, "203.0.113.7", "-", "resolved", True, 10, "T1110", "\ud800", 1e300]
# Letters of its own: hypothesis takes seconds to list all of Unicode when it runs first.
TEXT = st.text(alphabet='aZ09 .:-/$%{}[]"\0\n\x1bé\u202e漢\U0001f600\ud800', max_size=20)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        TEXT,
        st.sampled_from(VALUES),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), TEXT), inner, max_size=8),
    ),
    max_leaves=30,
)


@pytest.mark.parametrize(
    "sender",
    [source("wazuh"), source("guardduty"), source("alertmanager"), GENERIC, LISTED],
    ids=["wazuh", "guardduty", "alertmanager", "generic", "listed"],
)
@settings(max_examples=120, deadline=None)
@given(value=JSON)
def test_any_json_is_normalised_or_an_alert_error(sender: SourceSettings, value: JsonValue) -> None:
    try:
        normalised = NORMALISERS[sender.kind](value, sender, "siem")
    except AlertError as fault:
        said = [str(fault)]
    else:
        said = list(normalised.faults)
        assert normalised.alerts
        assert all(alert.source == "siem" for alert in normalised.alerts)
    assert all(line.isprintable() for line in said)
