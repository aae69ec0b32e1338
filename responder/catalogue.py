"""The playbooks, actions and lookups of this runner, loaded by the dotted names in the settings."""

import importlib
from typing import Any, cast

from responder.contract import Provision
from responder.errors import ConfigurationError
from responder.secrets.contract import SecretStore
from responder.settings import Settings
from responder.store import Store
from responder.verbs.context import Kinds


def load(dotted: str) -> Any:  # noqa: ANN401 - whatever is there
    """What `module:NAME` names. Raises `ConfigurationError` if there is no such thing."""
    module, _, name = dotted.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigurationError(f"{dotted}: {error}; expected `module:NAME`") from error


def load_kinds(settings: Settings) -> Kinds:
    """All kinds. Raises `ConfigurationError` if two playbooks answer the same thing."""
    playbooks = [p for dotted in settings.playbooks for p in load(dotted)]
    actions = [a for dotted in settings.actions for a in load(dotted)]
    lookups = [q for dotted in settings.lookups for q in load(dotted)]
    faults = []
    answered: dict[tuple[str, str], str] = {}
    for playbook in playbooks:
        for priority in playbook.priorities:
            key = (playbook.answers, priority)
            if key in answered:
                faults.append(
                    f"{answered[key]} and {playbook.__name__} both answer {key[0]!r} at {key[1]}"
                )
            answered[key] = playbook.__name__
    for what, kinds in (("playbooks", playbooks), ("actions", actions), ("lookups", lookups)):
        names = [kind.__name__ for kind in kinds]
        faults += [
            f"two {what} are named {n}" for n in sorted({n for n in names if names.count(n) > 1})
        ]
    if faults:
        raise ConfigurationError(*faults)
    return Kinds.of(actions, lookups, playbooks)


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
