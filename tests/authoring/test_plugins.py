"""Another distribution's playbooks, actions and lookups are known because it is installed."""

# mypy: allow-untyped-defs, allow-incomplete-defs

import sys
from pathlib import Path

import pytest

from responder.catalogue import load_kinds, names
from responder.errors import ConfigurationError
from responder.settings import Settings

CONTENT = """
from temporalio import workflow
from activities.block import Block
from responder import Incident, Lookup, Playbook

class Fence(Block):
    '''A block by another name.'''

class Weather(Lookup[str]):
    '''What it is like outside.'''

@workflow.defn
class Acme(Playbook, answers="{answers}", priorities=("P4",)):
    '''Theirs.'''

    @workflow.run
    async def run(self, incident: Incident) -> None:
        '''Nothing.'''

PLAYBOOKS = (Acme,)
ACTIONS = (Fence,)
LOOKUPS = (Weather,)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a distribution as pip would leave it."""

    def install(name: str, answers: str = "acme", module: str = "") -> None:
        module = module or name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(CONTENT.format(answers=answers))
        info = tmp_path / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(
            "".join(
                f"[responder.{noun}]\n{name} = {module}:{noun.upper()}\n"
                for noun in ("playbooks", "actions", "lookups")
            )
        )
        monkeypatch.delitem(sys.modules, module, raising=False)

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("RESPONDER_STATE", str(tmp_path))
    return install


def test_what_is_installed_is_known_beside_our_own(install) -> None:
    install("acme-playbooks")
    kinds = load_kinds(Settings())
    assert kinds.playbooks["Acme"].answers == "acme"
    assert {"Fence", "Block"} <= set(kinds.actions)
    assert {"Weather", "Connections"} <= set(kinds.lookups)


def test_our_own_are_not_doubled_by_their_entry_points() -> None:
    assert list(names(Settings(), "playbooks")) == ["playbooks:PLAYBOOKS"]


def test_what_the_settings_name_as_well_is_loaded_once(install) -> None:
    install("acme-playbooks")
    named = Settings(playbooks=("playbooks:PLAYBOOKS", "acme_playbooks:PLAYBOOKS"))
    assert "Acme" in load_kinds(named).playbooks


def test_two_that_answer_the_same_are_both_named_with_where_they_come_from(install) -> None:
    install("acme-playbooks", answers="policy_violation")
    with pytest.raises(ConfigurationError) as caught:
        load_kinds(Settings())
    assert caught.value.faults == (
        (
            "PolicyViolation (playbooks:PLAYBOOKS) and Acme (entry point acme-playbooks of "
            "acme-playbooks 1.2: acme_playbooks:PLAYBOOKS) both answer 'policy_violation' at P4"
        ),
    )


def test_what_can_not_be_imported_names_its_distribution(install, tmp_path: Path) -> None:
    install("acme-playbooks")
    (tmp_path / "acme_playbooks.py").write_text("import nowhere_at_all\n")
    with pytest.raises(ConfigurationError, match=r"acme-playbooks 1\.2: .*nowhere_at_all"):
        load_kinds(Settings())
