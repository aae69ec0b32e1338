from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest

from responder.incident import Alert, Priority, Severity
from responder.triage import CATEGORIES, DEFAULT_RULES, Rule, Triage, assess


def alert(**facts: object) -> Alert:
    given = {
        "id": "1", "source": "siem", "title": "Something happened", "severity": "medium",
        "occurred": datetime(2026, 3, 4, tzinfo=UTC), **facts,
    }  # fmt: skip
    return Alert.model_validate(given)


@pytest.mark.parametrize(
    ("facts", "category"),
    [
        ({"techniques": ["T1110"]}, "authentication_attack"),
        ({"techniques": ["T1110.003"]}, "authentication_attack"),
        ({"title": "SSH Brute Force attempt"}, "authentication_attack"),
        ({"rule": "PasswordSprayBruteForce"}, "authentication_attack"),
        ({"title": "Possible data exfiltration"}, "data_leak"),
        ({"techniques": ["T1041"]}, "data_leak"),
        ({"title": "MFA bypass seen"}, "authentication_bypass"),
        ({"title": "Web shell dropped"}, "system_compromise"),
        ({"title": "Leaked credential found"}, "credential_compromise"),
        ({"title": "Role change of jo"}, "privilege_escalation"),
        ({"techniques": ["T1548.003"]}, "privilege_escalation"),
        ({"title": "Malware removed"}, "malware_on_host"),
        ({"rule": "CertificateExpiringSoon"}, "certificate_expiry"),
        ({"title": "API rate above the baseline"}, "api_abuse"),
        ({"title": "Port scan"}, "unusual_traffic"),
        ({"title": "SQL injection attempt"}, "unauthorized_access"),
        ({"techniques": ["T1078"]}, "unauthorized_access"),
        ({"techniques": ["T1078"], "severity": "low"}, "policy_violation"),
        ({"title": "Policy violation: USB"}, "policy_violation"),
        ({"techniques": ["T11100"], "title": "not T1110"}, "policy_violation"),
        ({}, "policy_violation"),
        ({"severity": "high"}, "unauthorized_access"),
        ({"severity": "critical"}, "unauthorized_access"),
        ({"category": "no_such_category"}, "policy_violation"),
        ({"category": "no_such_category", "severity": "high"}, "unauthorized_access"),
    ],
)
def test_the_default_rules_name_the_category(facts: dict[str, Any], category: str) -> None:
    assert assess(alert(**facts), Triage()).category == category


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_category_of_ours_that_the_sender_names_is_believed(category: str) -> None:
    said = alert(category=category, title="brute force", techniques=["T1110"])
    assert assess(said, Triage()).category == category


def test_every_category_of_the_default_rules_is_one_of_ours() -> None:
    assert {rule.category for rule in DEFAULT_RULES} == set(CATEGORIES)


@pytest.mark.parametrize(
    ("severity", "priority"),
    [
        ("critical", "P1"), ("high", "P2"), ("medium", "P3"), ("low", "P4"),
        ("informational", "P4"),
    ],
)  # fmt: skip
def test_the_severity_is_the_priority(severity: str, priority: str) -> None:
    attack = alert(severity=severity, techniques=["T1110"])
    assert assess(attack, Triage()).priority == Priority(priority)


NETWORK, OTHER = ip_network("198.51.100.7"), ip_network("2001:db8::/64")


@pytest.mark.parametrize(
    ("facts", "subject"),
    [
        ({"networks": [NETWORK, OTHER], "hosts": ["h"]}, "198.51.100.7"),
        ({"networks": [OTHER]}, "2001:db8::/64"),
        ({"hosts": ["web-1"], "accounts": ["ana"]}, "web-1"),
        ({"accounts": ["ana"], "rule": "5763"}, "ana"),
        ({"rule": "5763"}, "5763"),
        ({}, "Something happened"),
        ({"title": " "}, "siem"),
        ({"title": "x" * 400}, "x" * 255),
    ],
)
def test_the_subject_is_the_first_thing_known_about_it(facts: dict[str, Any], subject: str) -> None:
    assert assess(alert(**facts), Triage()).subject == subject


def test_an_alert_that_is_over_is_dismissed_whatever_its_severity() -> None:
    said = assess(alert(over=True, severity="critical"), Triage())
    assert said.dismissed == "the sender says that it is over"


def test_nothing_else_is_dismissed_unless_the_settings_say_so() -> None:
    quiet = alert(severity="informational")
    assert assess(quiet, Triage()).dismissed is None
    strict = Triage(dismiss_below=Severity.MEDIUM)
    assert assess(quiet, strict).dismissed == "its severity is informational, below medium"
    assert assess(alert(), strict).dismissed is None


def test_your_rules_come_before_ours_and_all_their_conditions_must_hold() -> None:
    rule = Rule(
        kinds=("wazuh",), sources=("si*",), rules=("57*",), at_least=Severity.MEDIUM,
        category="insider", priority=Priority.P1,
    )  # fmt: skip
    triage = Triage(rules=(rule,))
    fits = alert(rule="5763", techniques=["T1110"])
    said = assess(fits, triage, "wazuh")
    assert (said.category, said.priority) == ("insider", Priority.P1)
    others = [
        assess(fits, triage, "guardduty"),
        assess(fits.model_copy(update={"source": "other"}), triage, "wazuh"),
        assess(fits.model_copy(update={"rule": "1"}), triage, "wazuh"),
        assess(fits.model_copy(update={"severity": Severity.LOW}), triage, "wazuh"),
    ]
    assert {said.category for said in others} == {"authentication_attack"}


def test_a_category_of_your_own_is_believed_once_it_is_listed() -> None:
    said = alert(category="insider")
    assert assess(said, Triage(categories=("insider",))).category == "insider"
    assert assess(said, Triage()).category == "policy_violation"


def test_without_our_rules_only_yours_and_the_fallbacks_are_left() -> None:
    triage = Triage(default_rules=False, fallback="api_abuse", fallback_high="data_leak")
    assert assess(alert(techniques=["T1110"]), triage).category == "api_abuse"
    assert assess(alert(severity="high"), triage).category == "data_leak"


def test_a_glob_is_never_a_pattern_of_another_kind() -> None:
    triage = Triage(rules=(Rule(rules=("a.*(b)+",), category="insider"),))
    assert assess(alert(rule="axx(b)+"), triage).category == "policy_violation"
    assert assess(alert(rule="a.xx(b)+"), triage).category == "insider"
