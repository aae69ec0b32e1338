"""`responder playbooks lint`: what would go wrong later, found in the text; nothing is executed."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from responder.authoring.code import Code, Kind
from responder.authoring.lint_flow import flow
from responder.authoring.lint_names import names
from responder.authoring.lint_steps import steps
from responder.authoring.rules import Finding

_WAIVED = re.compile(r"#\s*lint:\s*(PB\d{3}(?:\s*,\s*PB\d{3})*)")


def lint(paths: Iterable[Path], known: dict[str, Kind]) -> list[Finding]:
    """Everything that is found in the files, and in the playbooks of the folders, by place."""
    found = [one for path in paths for file in _files(path) for one in lint_file(file, known)]
    return sorted(set(found))


def lint_file(path: Path, known: dict[str, Kind]) -> Iterator[Finding]:
    """What is found in one file; a line with `# lint: PB008 why` waives that rule there."""
    shown = str(path)
    try:
        code = Code.at(path)
    except SyntaxError as error:
        yield Finding(shown, error.lineno or 1, "PB000", f"not Python: {error.msg}", "valid Python")
        return
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "not UTF-8"
        yield Finding(shown, 1, "PB000", f"cannot be read: {said}", "the name of a playbook's file")
        return
    for one in (*names(code), *steps(code, known), *flow(code)):
        if one.rule not in _waived(code, one.line):
            yield one


def _waived(code: Code, line: int) -> set[str]:
    said = _WAIVED.search(code.lines[line - 1]) if line <= len(code.lines) else None
    return {word.strip() for word in said[1].split(",")} if said else set()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [file for file in sorted(path.rglob("*.py")) if _has_playbook(file)]


def _has_playbook(path: Path) -> bool:
    try:
        return any(Code.at(path).playbooks())
    except (SyntaxError, UnicodeDecodeError):
        return isinstance(path, Path) and "Playbook" in path.read_text(errors="replace")
