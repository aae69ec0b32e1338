"""The story of one playbook: its example alert, rehearsed; what is imagined in it is said at once."""

from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path

from rich.table import Table
from rich.text import Text

from responder.authoring.examples import example_of
from responder.cli.say import clean
from responder.demo.setting_up import command
from responder.demo.teller import Teller
from responder.rehearsal.wish import Json, after, rehearsed, wish_of
from responder.workflows.playbook import Playbook

LONGEST = timedelta(days=30)
_ANSWERED = frozenset({"contained", "run ended"})  # the first of these ends the second chapter
_ENDING = frozenset({"undo", "undone"})
_COLOURS = {
    "asked": "yellow", "decided": "yellow", "outcome": "dark_orange", "undo": "dark_orange",
    "undone": "green", "contained": "green", "closed": "green", "run ended": "green",
    "said": "magenta", "paged": "magenta", "looked up": "blue", "planned": "blue",
    "breached": "red", "escalated": "red", "unanswered": "red", "update missed": "red",
}  # fmt: skip
_SAY = {"approve": "approve what", "deny": "deny what", "nobody": "answer nothing that"}


def tell_playbook(playbook: type[Playbook], teller: Teller, answers: str) -> None:
    """Rehearse its example and tell it. Raises `StateError` if it has none, or did not come to its end."""
    example = _from_here(example_of(playbook))
    wish = wish_of(example.read_bytes(), "generic", playbook.__name__, "", answers, LONGEST)
    introduce(teller, playbook, wish, example)
    with teller.console.status("rehearsing …") if teller.live else nullcontext():
        found = rehearsed(wish | {"attended": True})
    tell(teller, found)
    teller.say("next:", "bold")
    teller.quote(command("playbooks", "show", playbook.__name__))
    teller.quote(
        command("simulate", "--alert", str(example), "--playbook", playbook.answers, "--for", "6h")
    )


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def introduce(teller: Teller, playbook: type[Playbook], wish: Json, example: Path) -> None:
    """What is real here and what is not, and the alert."""
    doc = (playbook.__doc__ or "").strip().partition("\n")[0]
    teller.chapter(f"{playbook.__name__}, rehearsed")
    teller.say(doc, "bold")
    teller.say(
        "Imagined: what stands at enforcement points, on hosts and in clouds; and the people, who take "
        f"the incident, come when they are paged, {_SAY[wish['answers']]} they are asked, and close it when "
        "its playbook has ended. Time is skipped. Nothing is reached, nothing is changed."
    )
    teller.say(
        "Real: the playbook, triage and policy of your settings, the signed decisions with second "
        "factors, Temporal, the store, clocks and leases."
    )
    [alert] = wish["alerts"]
    teller.rows(
        ("alert", Text(clean(alert["title"]), style="bold")),
        ("severity", alert["severity"]),
        *(
            (noun, Text(clean(", ".join(map(str, alert[noun])))))
            for noun in ("techniques", "networks", "hosts", "accounts")
            if alert[noun]
        ),
        ("from", Text(str(example), style="dim")),
    )


def tell(teller: Teller, found: Json) -> None:
    """The timeline in its chapters, then the clocks, then what was held and how it ended."""
    lines = found["lines"]
    cut = next((n + 1 for n, one in enumerate(lines) if one["kind"] in _ANSWERED), len(lines))
    ends = next((n for n, one in enumerate(lines) if one["kind"] in _ENDING), len(lines))
    ends = max(ends, cut)
    for title, part in (
        ("What is done about it", lines[:cut]),
        ("What follows", lines[cut:ends]),
        ("Leases end and are undone", lines[ends:]),
    ):
        if part:
            teller.chapter(title)
            teller.show(_timeline(part))
    for incident in found["incidents"]:
        _end(teller, incident, datetime.fromisoformat(found["began"]))


def _timeline(part: list[Json]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", width=12, style="dim")
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for one in part:
        again = f"  ({one['times']} times, last {after(one['last'])})" if one["times"] > 1 else ""
        kind = Text(one["kind"], style=_COLOURS.get(one["kind"], ""))
        grid.add_row(after(one["after"]), kind, Text.assemble(clean(one["words"]), (again, "dim")))
        for detail in one["details"]:
            grid.add_row("", "", Text(clean(detail), style="cyan"))
    return grid


def _end(teller: Teller, incident: Json, began: datetime) -> None:
    teller.chapter(f"{incident['priority']} {incident['id']}: {incident['status']}")
    teller.rows(
        *(
            (clock["clock"], f"due {_since(clock['due'], began)}", _met(clock, began))
            for clock in incident["clocks"]
        )
    )
    holds = [(Text(clean(one["summary"])), _ended(one, began)) for one in incident["holds"]]
    if holds:
        teller.rows(*holds)
    else:
        teller.say("It changed nothing, so nothing is held.")
    asked = incident["asks"]
    teller.say(f"{asked or 'no'} question{'' if asked == 1 else 's'} to people")
    for run in incident["runs"]:
        ended = f": {clean(run['said'])}" if run["said"] else ""
        teller.say(f"its playbook's run is {run['state']}{ended}")


def _since(moment: str, began: datetime) -> str:
    seconds = (datetime.fromisoformat(moment) - began).total_seconds()
    return after(f"PT{max(seconds, 0):.0f}S")


def _met(clock: Json, began: datetime) -> Text:
    if clock["breached"]:
        return Text(f"breached {_since(clock['breached'], began)}", style="red")
    if clock["met"]:
        return Text(f"met {_since(clock['met'], began)}", style="green")
    return Text("still running", style="yellow")


def _ended(hold: Json, began: datetime) -> Text:
    if hold["ended_by"] == "done":
        return Text(f"{hold['outcome']}; done once, held by nothing", style="dim")
    if hold["ended"]:
        return Text(
            f"{hold['outcome']}; ended {_since(hold['ended'], began)} by {hold['ended_by']}"
        )
    until = f"until {_since(hold['until'], began)}" if hold["until"] else "until a person ends it"
    return Text(f"{hold['outcome']}; held {until}", style="yellow")
