"""
The program behind `responder simulate`: reads what to rehearse, rehearses it, writes the story.

It runs in a process of its own, with an environment that holds no credential, and gives up the
network and every folder but its own before any playbook is loaded.
"""

import asyncio
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from responder.rehearsal.guard import forbid

UNKNOWN = 3  # the exit status where no playbook has the name that was asked for
_SAYS = {"approve": True, "deny": False, "nobody": None}


def main() -> None:
    """Read the wish from standard input; the folder to write in is the one argument."""
    folder = Path(sys.argv[1])
    os.environ["TMPDIR"] = str(folder)
    wish = json.load(sys.stdin)
    forbid(folder)
    json.dump(asyncio.run(rehearse(wish)), sys.stdout)
    sys.stdout.flush()
    # All is said, and the server and the store are closed. Threads of Temporal's core that still end
    # by themselves may meet an interpreter that is going, and kill it then ("PyGILState_Release").
    os._exit(0)


async def rehearse(wish: dict[str, Any]) -> dict[str, Any]:
    """What is wished for, rehearsed in this process: the lines of the story, and how its incidents stand."""
    from responder.catalogue import load  # noqa: PLC0415 - after the guard stands
    from responder.incident import Alert  # noqa: PLC0415
    from responder.policy.judge import Policy  # noqa: PLC0415
    from responder.rehearsal.attending import attend  # noqa: PLC0415
    from responder.rehearsal.rehearsal import rehearsing  # noqa: PLC0415
    from responder.rehearsal.story import told  # noqa: PLC0415
    from responder.triage import Assessment, Triage  # noqa: PLC0415
    from responder.verbs.context import Kinds  # noqa: PLC0415

    playbooks = [p for dotted in wish["playbooks"] for p in load(dotted)]
    if wish["playbook"]:
        named = [p for p in playbooks if wish["playbook"] in (p.__name__, p.answers)]
        if not named:
            known = ", ".join(sorted(p.answers for p in playbooks))
            sys.stderr.write(f"no playbook is called {wish['playbook']!r}; known: {known}\n")
            sys.exit(UNKNOWN)
        playbooks = named
    kinds = Kinds.of(
        [a for dotted in wish["actions"] for a in load(dotted)],
        [q for dotted in wish["lookups"] for q in load(dotted)],
        playbooks,
    )
    said = _SAYS[wish["answers"]]
    policy = Policy.model_validate(wish["policy"])
    async with rehearsing(kinds, policy, says=lambda _: said) as rehearsal:
        began = rehearsal.clock.now
        numbers = []
        for one in TypeAdapter(list[Alert]).validate_python(wish["alerts"]):
            alert = one.model_copy(update={"occurred": began})
            assessment = _assessment(wish, playbooks, alert, Assessment)
            number = await rehearsal.open(
                alert,
                triage=Triage.model_validate(wish["triage"]),
                kind=wish["kind"],
                assessment=assessment,
            )
            if number is not None:
                numbers.append(number)
        time = timedelta(seconds=wish["seconds"])
        if wish.get("attended"):
            await attend(rehearsal, policy, numbers, time)
        else:
            await rehearsal.go_on(time)
        lines = await told(rehearsal, began)
        found = [await rehearsal.incident(number) for number in numbers]
    return {
        "began": began.isoformat(),
        "lines": [line.model_dump(mode="json") for line in lines],
        "incidents": [
            {key: one[key] for key in ("id", "priority", "category", "subject", "status", "clocks")}
            | {
                "asks": len(one["asks"]),
                "holds": [_hold(hold) for hold in one["holds"]],
                "runs": [{key: run[key] for key in ("id", "state", "said")} for run in one["runs"]],
            }
            for one in found
        ],
    }


def _hold(hold: dict[str, Any]) -> dict[str, Any]:
    return {
        key: hold[key] for key in ("resource", "summary", "until", "ended", "ended_by", "outcome")
    }


def _assessment(wish: dict[str, Any], playbooks: list[Any], alert: Any, kind: Any) -> Any:  # noqa: ANN401 - loaded late
    """Triage's own, unless a playbook or a priority was asked for."""
    if not wish["playbook"] and not wish["priority"]:
        return None
    from responder.triage import Triage, assess  # noqa: PLC0415

    made = assess(alert, Triage.model_validate(wish["triage"]), wish["kind"])
    changes: dict[str, Any] = {"dismissed": None}
    if wish["playbook"]:
        changes["category"] = playbooks[0].answers
    if wish["priority"]:
        changes["priority"] = wish["priority"]
    return kind.model_validate(made.model_dump() | changes)


if __name__ == "__main__":
    main()
