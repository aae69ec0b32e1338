"""The rules of `responder playbooks lint`: what each is called, and what is asked for instead."""

import ast
from dataclasses import dataclass

from responder.authoring.code import Code


@dataclass(frozen=True)
class Rule:
    """One rule; docs/reference/lint.md has a section for each."""

    id: str
    what: str


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong in one place."""

    path: str
    line: int
    rule: str
    said: str
    write: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule} {self.said}; write: {self.write}"


def found(code: Code, node: ast.AST, rule: str, said: str, write: str) -> Finding:
    """A finding where *node* stands."""
    return Finding(str(code.path), getattr(node, "lineno", 1), rule, said, write)


RULES = {
    rule.id: rule
    for rule in (
        Rule("PB000", "the file is Python, and is there"),
        Rule("PB001", "time comes from the workflow"),
        Rule("PB002", "chance comes from the workflow"),
        Rule("PB003", "a playbook reads no file and no environment"),
        Rule("PB004", "a playbook reaches nobody by itself"),
        Rule("PB005", "a playbook names actions, never who carries them out"),
        Rule("PB006", "nothing blocks the event loop"),
        Rule("PB007", "a wait says what it waits for"),
        Rule("PB008", "a change that can be undone says how long it lasts"),
        Rule("PB009", "evidence that goes away is kept before it does"),
        Rule("PB010", "every step can be reached"),
        Rule("PB011", "a loop that goes on for ever waits"),
        Rule("PB012", "a refusal is told, not hidden"),
        Rule("PB013", "who promises containment says when it is complete"),
        Rule("PB014", "a batch is of 200 actions at most"),
        Rule("PB015", "every step is awaited"),
    )
}
