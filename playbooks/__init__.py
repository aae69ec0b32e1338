"""
The content: one file a playbook, and the tuple that lists them.

The tuple is made when somebody asks for it: Temporal's sandbox imports this package again for every
run, and a run needs one playbook, not all.
"""

from importlib import import_module

from responder import Playbook

PLAYBOOKS: tuple[type[Playbook], ...]

_NAMES = {
    "access_key_rotation": "AccessKeyRotation",
    "access_review": "AccessReview",
    "api_abuse": "ApiAbuse",
    "authentication_attack": "AuthenticationAttack",
    "authentication_bypass": "AuthenticationBypass",
    "certificate_expiry": "CertificateExpiry",
    "certificate_rotation": "CertificateRotation",
    "credential_compromise": "CredentialCompromise",
    "data_leak": "DataLeak",
    "drill": "Drill",
    "key_rotation": "KeyRotation",
    "malware_on_host": "MalwareOnHost",
    "policy_violation": "PolicyViolation",
    "privilege_escalation": "PrivilegeEscalation",
    "ransomware": "Ransomware",
    "system_compromise": "SystemCompromise",
    "unauthorized_access": "UnauthorizedAccess",
    "unusual_traffic": "UnusualTraffic",
}


def __getattr__(name: str) -> tuple[type[Playbook], ...]:
    if name != "PLAYBOOKS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return tuple(getattr(import_module(f"{__name__}.{module}"), n) for module, n in _NAMES.items())
