"""Misuse fails at import, with the wrong and the right line."""

from collections.abc import Callable

import pytest
from temporalio import workflow

from responder import Incident, Playbook
from responder.errors import ConfigurationError
from responder.workflows.misuse import undefined


async def run(self: Playbook, incident: Incident) -> None:
    """Nothing."""


def not_async(self: Playbook, incident: Incident) -> None:
    """Nothing."""


def forgetful(self: Playbook) -> None:
    self.seen = 0  # type: ignore[attr-defined]


def mindful(self: Playbook) -> None:
    Playbook.__init__(self)
    self.seen = 0  # type: ignore[attr-defined]


@workflow.defn
class Decorated(Playbook, answers="decorated"):
    """As it should be."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        """Nothing."""


def make(answers: object = "mine", priorities: object = ("P1",), **body: object) -> type:
    return type("Mine", (Playbook,), {"run": run, **body}, answers=answers, priorities=priorities)


@pytest.mark.parametrize(
    ("misuse", "said"),
    [
        (lambda: type("Mine", (Playbook,), {}, answers="mine"), "has no async run() of its own"),
        (lambda: make(run=not_async), "async def run(self, incident: Incident)"),
        (lambda: make(answers="Lost laptop"), 'right: class Mine(Playbook, answers="mine")'),
        (lambda: make(answers=None), "answers None, which is no category"),
        (lambda: make(priorities=("P5",)), "expected some of P1, P2, P3, P4"),
        (lambda: make(priorities="P1"), 'right: priorities=("P1", "P2")'),
        (lambda: make(__init__=forgetful), "right: def __init__(self) -> None: super().__init__()"),
        (lambda: make(do=run), "has a do of its own, which is a word of every playbook"),
        (lambda: make(look_up=run), "right: def my_look_up(self, …)"),
        (lambda: make(_decision=run), "has a _decision of its own"),
    ],
)
def test_misuse_fails_at_import_with_the_wrong_and_the_right_line(
    misuse: Callable[[], type], said: str
) -> None:
    with pytest.raises(TypeError) as caught:
        misuse()
    assert said in str(caught.value)
    assert "wrong:" in str(caught.value)
    assert "right:" in str(caught.value)


def test_what_is_right_is_let_be() -> None:
    assert make(__init__=mindful, helper=run).__name__ == "Mine"


def test_a_playbook_without_its_decorator_is_named_when_it_is_loaded() -> None:
    assert "right: @workflow.defn on the line above it" in undefined(make())
    assert undefined(Decorated) == ""


def test_the_catalogue_refuses_what_temporal_does_not_know(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    import sys  # noqa: PLC0415
    import types  # noqa: PLC0415

    from responder.catalogue import load_kinds  # noqa: PLC0415
    from responder.settings import Settings  # noqa: PLC0415

    module = types.ModuleType("undecorated")
    module.PLAYBOOKS = (make(),)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "undecorated", module)
    with pytest.raises(ConfigurationError, match=r"@workflow\.defn on the line above"):
        load_kinds(Settings(playbooks=("undecorated:PLAYBOOKS",)))
    module.PLAYBOOKS = make()  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="expected a tuple of classes"):
        load_kinds(Settings(playbooks=("undecorated:PLAYBOOKS",)))
