"""Each rule finds what it is there for, says where and what to write, and leaves what is right alone."""

from pathlib import Path

import pytest

from playbooks import PLAYBOOKS
from responder.authoring.code import Code, Kind
from responder.authoring.lint import lint
from responder.authoring.rules import RULES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "lint.md"
HEAD = """
import asyncio
from datetime import datetime, timedelta
from temporalio import workflow
from activities.access_keys import DeactivateAccessKey
from activities.block import Block
from activities.connections import Connections
from activities.forensics import CollectEvidence
from activities.isolate import Isolate
from responder import Incident, Playbook, Refused
"""
DAY = "lasts=timedelta(days=1)"
KEY = "DeactivateAccessKey(cloud='aws', user='ana', key='k'"
# Rule: a body that breaks it, and one that does the same as it should be done.
CASES = [
    ("PB001", "now = datetime.now()", "now = workflow.now()"),
    ("PB001", "import time; now = time.time()", "now = workflow.time()"),
    ("PB002", "import random; n = random.random()", "n = workflow.random().random()"),
    ("PB002", "import uuid; n = uuid.uuid4()", "n = workflow.uuid4()"),
    ("PB003", "import os; home = os.environ['HOME']", "home = incident.hosts"),
    ("PB003", "text = open('hosts').read()", "text = await self.look_up(Connections(host='a'))"),
    ("PB003", "from pathlib import Path; t = Path('x').read_text()", "t = incident.title"),
    ("PB004", "import boto3", "import json"),
    ("PB004", "from urllib.request import urlopen", "from urllib.parse import quote"),
    ("PB005", "from activities.providers import nftables", "from activities.block import Block"),
    ("PB005", "from activities import wiring", "from activities import block"),
    ("PB006", "import time; time.sleep(3)", "await workflow.sleep(3, summary='a while')"),
    ("PB006", "import subprocess; subprocess.run(['id'])", "await self.announce('look at it')"),
    ("PB007", "await asyncio.sleep(3)", "await workflow.sleep(3, summary='a while')"),
    ("PB008", f"await self.do({KEY}))", f"await self.do({KEY}, {DAY}))"),
    ("PB008", f"acts = [{KEY})]\nawait self.do(*acts)", f"await self.do({KEY}, lasts=None))"),
    (
        "PB009",
        "await self.do(Isolate(host='a'))\nawait self.do(CollectEvidence(host='a', incident='i'))",
        "await self.do(CollectEvidence(host='a', incident='i'))\nawait self.do(Isolate(host='a'))",
    ),
    (
        "PB009",
        "await self.do(Isolate(host='a'))\nawait self.look_up(Connections(host='a'))",
        ("if incident.hosts:\n    await self.do(Isolate(host='a'))\n"
        "else:\n    await self.look_up(Connections(host='a'))"),
    ),
    ("PB010", "return\nawait self.announce('never')", "await self.announce('now')\nreturn"),
    ("PB010", "raise Refused('no')\nawait self.contained()", "await self.contained()"),
    (
        "PB010",
        "while True:\n    await workflow.sleep(1)\nawait self.contained()",
        "while True:\n    await workflow.sleep(1)\n    break\nawait self.contained()",
    ),
    (
        "PB011",
        "while True:\n    await self.look_up(Connections(host='a'))",
        "while True:\n    await self.look_up(Connections(host='a'))\n    await workflow.sleep(60)",
    ),
    (
        "PB012",
        "try:\n    await self.do(Block(network='203.0.113.7'))\nexcept Exception:\n    pass",
        ("try:\n    await self.do(Block(network='203.0.113.7'))\nexcept Refused as no:\n"
        "    await self.announce('not blocked', no.message)"),
    ),
    ("PB014", "await self.do(*(Isolate(host=f'h{n}') for n in range(10_000)))",
     "await self.do(*(Isolate(host=f'h{n}') for n in range(200)))"),
    ("PB015", "self.do(Block(network='203.0.113.7'))", "await self.do(Block(network='203.0.113.7'))"),
    ("PB015", "self.announce('x')", "task = asyncio.create_task(self.announce('x'))\nawait task"),
]  # fmt: skip


def written(folder: Path, body: str, more: str = "") -> Path:
    path = folder / "mine.py"
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    path.write_text(
        f"{HEAD}\n\n@workflow.defn\nclass Mine(Playbook, answers='mine'{more}):\n"
        f'    """Mine."""\n\n    @workflow.run\n    async def run(self, incident: Incident) -> None:\n{lines}\n'
    )
    return path


@pytest.mark.parametrize(("rule", "wrong", "right"), CASES)
def test_a_rule_finds_what_is_wrong_and_leaves_what_is_right(
    rule: str, wrong: str, right: str, tmp_path: Path, known: dict[str, Kind]
) -> None:
    path = written(tmp_path, wrong)
    found = lint([path], known)
    assert rule in {one.rule for one in found}
    [first] = [str(one) for one in found if one.rule == rule]
    assert first.startswith(f"{path}:")
    assert f" {rule} " in first
    assert "; write: " in first
    right_path = written(tmp_path, right)
    assert [str(one) for one in lint([right_path], known)] == []


def test_the_line_is_that_of_what_is_wrong(tmp_path: Path, known: dict[str, Kind]) -> None:
    path = written(tmp_path, "pass\nnow = datetime.now()")
    [one] = lint([path], known)
    assert path.read_text().splitlines()[one.line - 1].strip() == "now = datetime.now()"


def test_who_promises_containment_says_when_it_is_complete(
    tmp_path: Path, known: dict[str, Kind]
) -> None:
    within = ", contain_within=timedelta(minutes=5)"
    assert [f.rule for f in lint([written(tmp_path, "pass", within)], known)] == ["PB013"]
    assert lint([written(tmp_path, "await self.contained()", within)], known) == []


@pytest.mark.parametrize(
    ("text", "said"), [("def (", "not Python"), (b"\xff\xfe", "not"), (None, "cannot be read")]
)
def test_what_cannot_be_read_is_one_line(
    text: str | bytes | None, said: str, tmp_path: Path, known: dict[str, Kind]
) -> None:
    path = tmp_path / "bad.py"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    [one] = lint([path], known)
    assert one.rule == "PB000"
    assert said in one.said


def test_a_rule_is_waived_on_a_line_that_says_so(tmp_path: Path, known: dict[str, Kind]) -> None:
    body = (
        "import boto3  # lint: PB004 only its constants\nimport httpx  # lint: PB001 another rule"
    )
    assert [one.said.split()[1] for one in lint([written(tmp_path, body)], known)] == ["httpx:"]


def test_every_playbook_of_ours_is_clean(known: dict[str, Kind]) -> None:
    paths = [Code.of(playbook).path for playbook in PLAYBOOKS]
    paths += [path for path in paths[0].parent.glob("*.py") if path not in paths]  # shared steps
    assert [str(one) for one in lint(paths, known)] == []
    assert len(paths) > 5


def test_every_rule_has_its_section_and_its_case() -> None:
    page = PAGE.read_text()
    assert [
        rule.id for rule in RULES.values() if f"\n## {rule.id}: {rule.what}\n" not in page
    ] == []
    tried = {rule for rule, _, _ in CASES} | {"PB000", "PB013"}
    assert set(RULES) == tried
