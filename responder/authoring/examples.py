"""The example alert of a playbook, which `responder demo --playbook` tells the story of."""

import inspect
from pathlib import Path

from responder.errors import StateError
from responder.workflows.playbook import Playbook


def example_of(playbook: type[Playbook]) -> Path:
    """
    Its example: in `alerts/` beside its file, where `responder playbooks new` writes it.

    The examples of this project's own playbooks are in `examples/alerts` until they are installed.
    Raises `StateError` if there is none.
    """
    code = Path(inspect.getfile(playbook))
    name = f"{code.stem}.json"
    beside = code.parent / "alerts" / name
    for path in (beside, code.parent.parent / "examples" / "alerts" / name):
        if path.is_file():
            return path
    raise StateError(
        f"{playbook.__name__} has no example alert: expected {beside}\n\n"
        f"hint: responder simulate --alert FILE --playbook {playbook.answers}"
    )
