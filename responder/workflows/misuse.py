"""What a playbook may not be written like: said when it is imported, with the wrong and the right line."""

import inspect
import re
from typing import Any

from responder.incident import Priority

_CATEGORY = re.compile(r"[a-z][a-z0-9_]{0,62}")  # as `responder.incident.Category`


def check(cls: type, base: type, answers: object, priorities: object) -> None:
    """Raises `TypeError` with every fault of *cls*, a playbook that derives from *base*."""
    given = vars(cls)
    _its_run(cls, given.get("run"))
    if not isinstance(answers, str) or not _CATEGORY.fullmatch(answers):
        raise TypeError(
            f"{cls.__name__} answers {answers!r}, which is no category: expected small letters, digits and _.\n\n"
            f"    wrong: class {cls.__name__}(Playbook, answers={answers!r})\n"
            f'    right: class {cls.__name__}(Playbook, answers="{_as_category(cls.__name__)}")'
        )
    if isinstance(priorities, str) or any(p not in set(Priority) for p in priorities):  # type: ignore[attr-defined]
        raise TypeError(
            f"{cls.__name__} has priorities {priorities!r}: expected some of "
            f"{', '.join(Priority)}, in a tuple.\n\n"
            f"    wrong: priorities={priorities!r}\n"
            f'    right: priorities=("P1", "P2")'
        )
    made = given.get("__init__")
    if made is not None and "__init__" not in made.__code__.co_names:
        raise TypeError(
            f"{cls.__name__} has an __init__ that leaves out Playbook's own.\n\n"
            "    wrong: def __init__(self) -> None: self.seen = 0\n"
            "    right: def __init__(self) -> None: super().__init__(); self.seen = 0"
        )
    words = {name for name, value in vars(base).items() if inspect.isfunction(value)}
    taken = sorted(set(given) & words - {"run", "__init__"})
    if taken:
        raise TypeError(
            f"{cls.__name__} has a {taken[0]} of its own, which is a word of every playbook.\n\n"
            f"    wrong: def {taken[0]}(self, …)\n"
            f"    right: def my_{taken[0].strip('_')}(self, …)"
        )


def undefined(cls: type) -> str:
    """What to say of a playbook that Temporal does not know as a workflow; empty if it does."""
    if "__temporal_workflow_definition" in vars(cls):
        return ""
    return (
        f"{cls.__name__} is no workflow of Temporal. wrong: class {cls.__name__}(Playbook, …); "
        f"right: @workflow.defn on the line above it"
    )


def _its_run(cls: type, run: Any) -> None:  # noqa: ANN401 - whatever stands there
    if run is None or not inspect.iscoroutinefunction(run):
        wrong = (
            "    (nothing)" if run is None else "    def run(self, incident: Incident) -> None: ..."
        )
        raise TypeError(
            f"{cls.__name__} has no async run() of its own.\n\n"
            "A playbook is a Temporal workflow, so it needs:\n\n"
            f"  wrong:\n{wrong}\n"
            "  right:\n"
            "    @workflow.run\n"
            "    async def run(self, incident: Incident) -> None: ..."
        )


def _as_category(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
