"""`responder playbooks new`: a playbook, its test, an example alert and its page, written at once."""

import json
import re
from pathlib import Path

from responder.errors import ConfigurationError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SHADOWING = frozenset({"responder", "activities", "playbooks", "tests", "test", "conftest"})

_PLAYBOOK = '''"""{sentence}: say here what somebody does to you."""

from datetime import timedelta

from temporalio import workflow

from activities.block import Block
from activities.connections import Connections
from responder import Incident, Playbook, Refused


@workflow.defn
class {cls}(Playbook, answers="{name}"):
    """Keep who was connected, shut out where it comes from for an hour, tell the team."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        for host in incident.hosts:
            await self.look_up(Connections(host=host))
        try:
            await self.do(*(Block(network=n, lasts=timedelta(hours=1)) for n in incident.networks))
        except Refused as refused:
            await self.announce("not blocked", refused.message, loud=True)
            return
        await self.contained()
        await self.announce(f"{{incident.title}}: shut out")


PLAYBOOKS = ({cls},)
'''

_TEST = '''"""{sentence}, run whole on an imagined world."""

from {name} import {cls}

from activities.block import Block
from responder.policy.networks import parse_network
from responder.testing import ImaginedWorld, RunPlaybook, assert_contained, assert_undone

BLOCK = Block(network=parse_network("203.0.113.7"))


async def test_it_is_shut_out_and_let_in_again_after_an_hour(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook({cls})
    assert run.done == ["block 203.0.113.7"]
    assert_contained(run)
    await run.go_on(hours=2)
    assert_undone(run)


async def test_a_silent_firewall_is_tried_again(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.fails(Block, times=2)
    run = await run_playbook({cls})
    await run.go_on(minutes=5)
    assert_contained(run)
    assert world.state_of(BLOCK) == {{"imagined": True}}
'''

_CONFTEST = '''"""The public fixtures of responder."""

pytest_plugins = ["responder.testing"]
'''

_PYTEST = """[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
"""

_PAGE = """# {sentence}

## What it answers

Alerts of category `{name}`, at every priority.

## What it does

Keeps who was connected to the hosts, blocks the addresses at every edge, and tells the team.

## What it asks first

Nothing, unless policy protects an address: then one person, with a second factor.

## What it undoes and when

The block, after an hour.

## Try it

```sh
responder simulate --alert alerts/{name}.json --playbook {name}
```
"""


def begin(name: str, folder: Path) -> list[Path]:
    """
    Write the four files, and the tests' conftest.py and pytest.ini; returns what was written.

    Raises `ConfigurationError` for a name that is no category, or where a file is there already:
    then nothing is written.
    """
    if not _NAME.fullmatch(name) or name in _SHADOWING:
        raise ConfigurationError(
            f"the name {name!r}: expected small letters, digits and _, such as lost_laptop"
        )
    cls = "".join(part.capitalize() for part in name.split("_"))
    sentence = name.replace("_", " ").capitalize()
    words = {"name": name, "cls": cls, "sentence": sentence}
    alert = {
        "id": f"{name}-1",
        "title": f"{sentence} seen",
        "severity": "high",
        "category": name,
        "occurred": "2026-03-04T12:00:00Z",
        "networks": ["203.0.113.7"],
        "hosts": ["web-1"],
    }
    files = {
        folder / f"{name}.py": _PLAYBOOK.format(**words),
        folder / "tests" / f"test_{name}.py": _TEST.format(**words),
        folder / "alerts" / f"{name}.json": json.dumps(alert, indent=2) + "\n",
        folder / "docs" / f"{name}.md": _PAGE.format(**words),
    }
    if there := [str(path) for path in files if path.exists()]:
        raise ConfigurationError(f"{', '.join(there)}: there already; nothing was written")
    if not (folder / "tests" / "conftest.py").exists():
        files[folder / "tests" / "conftest.py"] = _CONFTEST
        files[folder / "tests" / "pytest.ini"] = _PYTEST
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(files)


def next_steps(name: str, folder: Path) -> str:
    """What to do with them, as commands."""
    where = "." if folder == Path() else str(folder)
    enter = "" if where == "." else f"  cd {where}\n"
    return (
        "\nnext, in that folder:\n\n"
        f"{enter}"
        f"  export PYTHONPATH=$PWD\n"
        f'  export RESPONDER_PLAYBOOKS=\'["playbooks:PLAYBOOKS", "{name}:PLAYBOOKS"]\'\n'
        f"  responder playbooks lint {name}.py\n"
        f"  python -m pytest -q tests\n"
        f"  responder simulate --alert alerts/{name}.json --playbook {name}\n"
        f"  responder demo --playbook {name}\n\n"
        "for good: `playbooks` in responder.yaml, or the entry point `responder.playbooks` of your package"
    )
