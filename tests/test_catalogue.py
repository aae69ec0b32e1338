import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from temporalio import workflow

from activities.block import Block
from responder.catalogue import load, load_kinds, load_provision
from responder.contract import Request
from responder.errors import ConfigurationError, Refused
from responder.incident import Incident
from responder.settings import Settings
from responder.store import Store
from responder.workflows.playbook import Playbook


@workflow.defn
class First(Playbook, answers="data_leak", priorities=("P1", "P2")):
    """One."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        """Nothing."""


@workflow.defn
class Second(Playbook, answers="data_leak", priorities=("P2", "P3")):
    """Answers one of the same."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        """Nothing."""


@workflow.defn
class Third(Playbook, answers="data_leak", priorities=("P4",)):
    """Answers none of the same."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        """Nothing."""


FIRST = "First (own_content:PLAYBOOKS)"
Provide = Callable[..., Settings]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Provide:
    """Settings that name what is in a module of this test's own."""
    monkeypatch.setattr("os.environ", {"RESPONDER_STATE": str(tmp_path)})
    monkeypatch.chdir(tmp_path)

    def provide(**names: tuple[object, ...]) -> Settings:
        module = types.ModuleType("own_content")
        for name, kinds in names.items():
            setattr(module, name.upper(), kinds)
        monkeypatch.setitem(sys.modules, "own_content", module)
        return Settings(**{name: (f"own_content:{name.upper()}",) for name in names})  # type: ignore[arg-type]

    return provide


def test_what_is_shipped_loads(settings: Provide) -> None:
    kinds = load_kinds(settings())
    assert {"Block", "Isolate"} <= kinds.actions.keys()
    assert "Connections" in kinds.lookups
    assert kinds.playbooks


def test_two_playbooks_for_the_same_are_both_named_with_what_they_answer(settings: Provide) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_kinds(settings(playbooks=(First, Second, Third)))
    assert caught.value.faults == (
        "First (own_content:PLAYBOOKS) and Second (own_content:PLAYBOOKS) both answer 'data_leak' at P2",
    )


def test_playbooks_that_share_a_category_by_priority_are_fine(settings: Provide) -> None:
    assert load_kinds(settings(playbooks=(First, Third))).playbooks.keys() == {"First", "Third"}


def test_two_of_one_name_are_told_with_every_other_fault(settings: Provide) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_kinds(settings(playbooks=(First, First), actions=(Block, Block)))
    assert caught.value.faults == (
        f"{FIRST} and {FIRST} both answer 'data_leak' at P1",
        f"{FIRST} and {FIRST} both answer 'data_leak' at P2",
        "two playbooks are named First (own_content:PLAYBOOKS and own_content:PLAYBOOKS)",
        "two actions are named Block (own_content:ACTIONS and own_content:ACTIONS)",
    )


@pytest.mark.parametrize(
    "dotted",
    [
        "",
        ":",
        "nowhere",
        "nowhere:X",
        ":X",
        "responder:",
        "..x:Y",
        "responder.errors:Nope",
        "a b:c",
    ],
)
def test_a_name_that_names_nothing_is_a_configuration_error(dotted: str) -> None:
    with pytest.raises(ConfigurationError, match="expected `module:NAME`"):
        load(dotted)


def test_unknown_kinds_are_refused_by_name(settings: Provide) -> None:
    kinds = load_kinds(settings())
    with pytest.raises(Refused, match=r"Nope: no such action; known: .*\bBlock\b"):
        kinds.action(Request(kind="Nope", params={}))
    with pytest.raises(Refused, match=r"Nope: no such lookup; known: .*\bConnections\b"):
        kinds.lookup(Request(kind="Nope", params={}))
    with pytest.raises(Refused, match="Connections: host: Field required"):
        kinds.lookup(Request(kind="Connections", params={}))


async def test_the_wiring_is_what_the_settings_name(settings: Provide, tmp_path: Path) -> None:
    store = Store.at(tmp_path / "x.sqlite")
    provision = load_provision(settings(), store)
    await provision.close()
    await store.close()
    assert type(provision).__name__ == "Wiring"
