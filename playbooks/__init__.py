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
    "authentication_attack": "AuthenticationAttack",
    "certificate_rotation": "CertificateRotation",
    "credential_compromise": "CredentialCompromise",
    "key_rotation": "KeyRotation",
    "policy_violation": "PolicyViolation",
}


def __getattr__(name: str) -> tuple[type[Playbook], ...]:
    if name != "PLAYBOOKS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return tuple(getattr(import_module(f"{__name__}.{module}"), n) for module, n in _NAMES.items())
