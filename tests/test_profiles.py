"""What providers say of themselves: each says it, of actions that there are, and every action is covered."""

import inspect
from types import ModuleType

import pytest

from activities import ACTIONS
from scripts import reference

MODULES = {one.__name__.rpartition(".")[2]: one for one in reference.provider_modules()}
NAMES = {action.__name__ for action in ACTIONS}


def resources(module: ModuleType) -> list[str]:
    """The classes of a module that can be both read and written: what actions are carried out on."""
    return [
        name
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
        and all(inspect.iscoroutinefunction(getattr(kind, one, None)) for one in ("read", "write"))
    ]


PROVIDERS = [name for name, module in MODULES.items() if resources(module)]


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_says_which_actions_it_carries_out_and_how(name: str) -> None:
    profiles = reference.profiles_of(MODULES[name])
    assert profiles, f"{name} has {resources(MODULES[name])} and no PROFILE (activities/profile.py)"
    for one in profiles:
        assert one.permissions
        assert all((one.name, one.changes, one.verified, one.undone, one.against))
        assert set(one.answers) <= NAMES


def test_providers_are_found() -> None:
    assert {"nftables", "nebula", "iam_policies", "live_response"} <= set(PROVIDERS)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda one: one.__name__)
def test_an_action_has_a_provider_and_says_of_its_undo_what_they_say(action: type) -> None:
    found = [one for one in reference.profiles() if action.__name__ in one.answers]
    assert found
    never = [one.undone.startswith("not:") for one in found]
    assert never == [not getattr(action, "reversible")] * len(found)  # noqa: B009 - a class of any state
