"""
The playbooks, actions and lookups of this runner.

Loaded by the dotted names in the settings, and by the entry points `responder.playbooks`,
`responder.actions` and `responder.lookups` of other distributions: what is installed is known.
"""

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, cast

from responder.contract import Provision
from responder.errors import ConfigurationError
from responder.secrets.contract import SecretStore
from responder.settings import Settings
from responder.store import Store
from responder.verbs.context import Kinds
from responder.workflows.misuse import undefined


def load(dotted: str) -> Any:  # noqa: ANN401 - whatever is there
    """What `module:NAME` names. Raises `ConfigurationError` if there is no such thing."""
    module, _, name = dotted.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigurationError(f"{dotted}: {error}; expected `module:NAME`") from error


Named = Mapping[str, str]  # each dotted name, and who says it: empty for the settings
_OURS = "responder"  # its own entry points are the settings' defaults


def names(settings: Settings, noun: str) -> Named:
    """The dotted names of all tuples of *noun*: playbooks, actions or lookups."""
    found = dict.fromkeys(getattr(settings, noun), "")
    for point in sorted(entry_points(group=f"responder.{noun}"), key=lambda one: one.value):
        dist = point.dist
        if dist is not None and dist.name != _OURS and point.value not in found:
            found[point.value] = f"entry point {point.name} of {dist.name} {dist.version}"
    return found


def load_kinds(settings: Settings) -> Kinds:
    """All kinds. Raises `ConfigurationError` if two playbooks answer the same thing."""
    loaded: dict[str, list[tuple[Any, str]]] = {}
    for noun in ("playbooks", "actions", "lookups"):
        loaded[noun] = [
            (kind, f"{said}: {dotted}" if said else dotted)
            for dotted, said in names(settings, noun).items()
            for kind in _tuple(dotted, said)
        ]
    faults = _clashes(loaded["playbooks"])
    for what, kinds in loaded.items():
        homes: dict[str, list[str]] = {}
        for kind, home in kinds:
            homes.setdefault(kind.__name__, []).append(home)
        faults += [
            f"two {what} are named {name} ({' and '.join(found)})"
            for name, found in sorted(homes.items())
            if len(found) > 1
        ]
    faults += [said for playbook, _ in loaded["playbooks"] if (said := undefined(playbook))]
    if faults:
        raise ConfigurationError(*faults)
    actions, lookups, playbooks = (
        [kind for kind, _ in loaded[noun]] for noun in ("actions", "lookups", "playbooks")
    )
    return Kinds.of(actions, lookups, playbooks)


def _tuple(dotted: str, said: str) -> tuple[Any, ...]:
    """What stands there. Raises `ConfigurationError` if it is no tuple of classes."""
    try:
        found = load(dotted)
    except ConfigurationError as error:
        raise ConfigurationError(f"{said}: {error}" if said else str(error)) from error
    if not isinstance(found, (tuple, list)) or not all(isinstance(one, type) for one in found):
        raise ConfigurationError(
            f"{f'{said}: ' if said else ''}{dotted} is {found!r}; expected a tuple of classes"
        )
    return tuple(found)


def _clashes(playbooks: list[tuple[Any, str]]) -> list[str]:
    """The playbooks that answer the same category at the same priority, each with its home."""
    faults = []
    answered: dict[tuple[str, str], str] = {}
    for playbook, home in playbooks:
        for priority in playbook.priorities:
            key = (playbook.answers, priority)
            who = f"{playbook.__name__} ({home})"
            if key in answered:
                faults.append(f"{answered[key]} and {who} both answer {key[0]!r} at {key[1]}")
            answered[key] = who
    return faults


def load_provision(settings: Settings, store: Store) -> Provision:
    """What finds the providers of an action."""
    inventory = settings.inventory.model_copy(
        update={"rotation": settings.rotation, "vaulted": settings.vaulted}
    )
    return cast("Provision", load(settings.wiring)(inventory, store))


def load_secrets(settings: Settings) -> SecretStore:
    """The secret store that the settings name."""
    return cast(
        "SecretStore", load(settings.secret_store)(settings.rotation, settings.inventory.clouds)
    )
