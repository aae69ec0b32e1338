"""`responder leases`."""

from typing import Any

import typer

from responder.cli.say import WAITING, Stop, put, table, talk

app = typer.Typer(
    help="What is contained, until when, undoing it and extending it.", no_args_is_help=True
)
JSON = typer.Option(False, "--json", help="Print JSON.")
CODE = typer.Option("", help="A code of your second factor; asked for where one is needed.")
HOLD = typer.Option("", help="One hold by its id, instead of all on a resource.")
REASON = typer.Option("", help="Why.")
RESOURCE = typer.Argument("", help="What is held, as `responder leases list` names it.")


@app.command("list")
def list_leases(
    everything: bool = typer.Option(False, "--all", help="Ended ones as well."),
    incident: str = typer.Option("", help="Of one incident only."),
    as_json: bool = JSON,
) -> None:
    """Everything that is held."""
    from responder.cli.remote import ask  # noqa: PLC0415

    rows = ask("GET", "/api/leases", params={"everything": everything})
    rows = [r for r in rows if not incident or r["incident"] == incident]
    if as_json:
        put(rows)
        return
    table(
        ("resource", "incident", "tier", "held", "until (UTC)", "stands"),
        [
            (
                r["resource"],
                r["incident"],
                r["tier"],
                r["summary"],
                (r["until"] or "ended by a person")[:19],
                f"ended by {r['ended_by']}" if r["ended"] else f"{r['outcome']} {r['said']}",
            )
            for r in rows
        ],
        empty="nothing is held",
    )


@app.command()
def undo(
    resource: str = RESOURCE,
    hold: str = HOLD,
    code: str = CODE,
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """End what holds a resource now: it is put back as it was found, and read back."""
    _decide("end", resource, hold, code, {"reason": reason}, as_json=as_json)


app.command("end", hidden=True)(undo)


@app.command()
def extend(
    resource: str = RESOURCE,
    by: str = typer.Option("", help="How much longer: 2h, 30m, PT2H."),
    until: str = typer.Option("", help="Until when instead: 2026-11-22T18:00:00Z."),
    hold: str = HOLD,
    code: str = CODE,
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """Hold a resource for longer; its enforcement point keeps it as long."""
    if bool(by) == bool(until):
        raise typer.BadParameter("expected one of --by and --until")
    from responder.cli.times import length  # noqa: PLC0415

    later = {"lasts": length(by).total_seconds()} if by else {"until": until}
    _decide("extend", resource, hold, code, later | {"reason": reason}, as_json=as_json)


def _decide(
    what: str, resource: str, hold: str, code: str, more: dict[str, Any], *, as_json: bool
) -> None:
    from responder.cli.remote import ask  # noqa: PLC0415

    if bool(resource) == bool(hold):
        raise typer.BadParameter("expected one of RESOURCE and --hold")
    named = {"hold": hold} if hold else {"resource": resource}
    code = code or code_for(
        [
            r
            for r in ask("GET", "/api/leases")
            if (r["id"] if hold else r["resource"]) == (hold or resource)
        ]
    )
    found = ask("POST", f"/api/leases/{what}", json=named | more | {"code": code})
    if as_json:
        put(found)
    else:
        say_what_came(found)
    if found["ask"]["state"] == "open":
        raise Stop(WAITING, f"\nnext: responder approvals show {found['ask']['id']}")


def code_for(rows: list[dict[str, Any]]) -> str:
    """A code of the caller's second factor, asked for if one of these holds took one."""
    if not any(row["tier"] in ("T2", "T3") for row in rows):
        return ""
    return str(typer.prompt("code of your second factor", err=True))


def say_what_came(found: dict[str, Any]) -> None:
    """What was decided about leases, and what came of each hold."""
    table(
        ("resource", "incident", "held", "what came of it"),
        [(r["resource"], r["incident"], r["summary"], r["came"]) for r in found["leases"]],
        empty="nothing was held",
    )
    asked = found["ask"]
    if asked is not None and asked["state"] == "open":
        talk(f"recorded; it is {asked['tier']}, and one more person must approve ask {asked['id']}")
