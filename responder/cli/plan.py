"""`responder plan`: what a change would do, without doing it."""

from typing import Any

import typer

from responder.cli.say import USAGE, Stop, put, table, talk


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command("plan")(plan)


def plan(
    action: str = typer.Argument("", help="The action, such as Block; without it they are listed."),
    parameters: list[str] = typer.Argument(None, help="Its parameters, as NAME=VALUE."),
    incident: str = typer.Option("", help="Judge it as a run of this incident would be judged."),
    priority: str = typer.Option("P2", help="Without an incident: judge it as of this priority."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """
    What a change would do: before and after at every point, blast radius, tier, permissions.

    Every enforcement point is read, and nothing is changed:
    responder plan Block network=203.0.113.7
    """
    from responder.cli.remote import ask  # noqa: PLC0415

    if not action:
        _list(as_json=as_json)
        return
    wish: dict[str, Any] = {
        "requests": [{"kind": action, "params": _read(parameters or [])}],
        "priority": priority,
    }
    if incident:
        wish["incident"] = incident
    found = ask("POST", "/api/plans", json=wish)
    if as_json:
        put(found)
        return
    _show(found)


def _read(parameters: list[str]) -> dict[str, str]:
    read: dict[str, str] = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not equals or not name or name in read:
            raise Stop(USAGE, f"expected each parameter once, as NAME=VALUE; found {parameter!r}")
        read[name] = value
    return read


def _words(duration: str | None) -> str:
    from datetime import timedelta  # noqa: PLC0415 - only when a plan is shown

    from pydantic import TypeAdapter  # noqa: PLC0415 - heavy

    if duration is None:
        return "as long as nobody ends it"
    hours = TypeAdapter(timedelta).validate_python(duration) / timedelta(hours=1)
    return f"{hours:g} h"


def _list(*, as_json: bool) -> None:
    from responder.catalogue import load_kinds  # noqa: PLC0415 - heavy
    from responder.settings import read_settings  # noqa: PLC0415

    rows: list[dict[str, Any]] = [
        {
            "action": name,
            "tier": kind.tier.value,
            "parameters": {
                field: "needed" if info.is_required() else str(info.default)
                for field, info in kind.model_fields.items()
            },
            "what": (kind.__doc__ or "").strip().splitlines()[0],
        }
        for name, kind in sorted(load_kinds(read_settings()).actions.items())
    ]
    if as_json:
        put(rows)
        return
    table(
        ("action", "tier", "parameters", "what it does"),
        [
            (
                r["action"],
                r["tier"],
                " ".join(
                    f"{n}=" if v == "needed" else f"[{n}={v}]" for n, v in r["parameters"].items()
                ),
                r["what"],
            )
            for r in rows
        ],
        empty="this runner knows no action",
    )


def _show(found: dict[str, Any]) -> None:
    drawn = found["plan"]
    table(
        ("change", "at", "before", "after", "beside it"),
        [
            (
                change["summary"],
                point["point"],
                point["before"] if point["known"] else "it did not answer",
                point["after"] if point["known"] else "once it does",
                "" if point["record"] is None else point["record"],
            )
            for change in drawn["changes"]
            for point in change["points"]
        ],
        empty="no enforcement point would carry this",
    )
    blast = drawn["blast"]
    for change in drawn["changes"]:
        ends = f"held for {_words(change['lasts'])}" if change["reversible"] else "cannot be undone"
        talk(f"\n{change['summary']}: {change['ruling']} · {change['reason']} · {ends}")
    needs = found["needs"] or {"people": "?", "stepped_up": "?"}
    allowed = sorted({p for given in found["permissions"].values() for p in given})
    talk(
        f"{drawn['tier']} · needs {needs['people']} to approve, {needs['stepped_up']} with a code\n"
        f"touches {blast['hosts']} hosts, {blast['networks']} networks, {blast['accounts']} accounts; "
        f"protected: {', '.join(blast['protected']) or 'none'}\n"
        f"its providers must be allowed: {', '.join(allowed) or 'nothing'}\n"
        f"plan {found['digest'][:12]} · nothing was changed"
    )
