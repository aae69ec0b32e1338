"""
Answer security alerts with playbooks that are approved, timed, leased, undone and proved.

These are the names for authors of playbooks, actions and providers. They are loaded when first
used, so that `responder --help` does not wait for Temporal.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from responder.contract import Action as Action
    from responder.contract import Found as Found
    from responder.contract import Lookup as Lookup
    from responder.contract import Resource as Resource
    from responder.errors import Drifted as Drifted
    from responder.errors import Refused as Refused
    from responder.errors import Unreachable as Unreachable
    from responder.errors import Unverified as Unverified
    from responder.incident import Alert as Alert
    from responder.incident import Incident as Incident
    from responder.incident import Indicators as Indicators
    from responder.incident import Network as Network
    from responder.incident import Priority as Priority
    from responder.incident import Severity as Severity
    from responder.plan import Outcome as Outcome
    from responder.plan import Plan as Plan
    from responder.plan import Receipt as Receipt
    from responder.workflows.playbook import Playbook as Playbook

_HOMES = {
    "Action": "contract",
    "Alert": "incident",
    "Drifted": "errors",
    "Found": "contract",
    "Incident": "incident",
    "Indicators": "incident",
    "Lookup": "contract",
    "Network": "incident",
    "Outcome": "plan",
    "Plan": "plan",
    "Playbook": "workflows.playbook",
    "Priority": "incident",
    "Receipt": "plan",
    "Refused": "errors",
    "Resource": "contract",
    "Severity": "incident",
    "Unreachable": "errors",
    "Unverified": "errors",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'responder' has no name {name!r}; it has {', '.join(_HOMES)}")
    return getattr(import_module(f"responder.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
