"""`responder approvals`."""

import sys
from typing import Any

import typer

from responder.cli import asking
from responder.cli.say import USAGE, Stop, put, table, talk

app = typer.Typer(help="Asks that wait for a person, and deciding them.", no_args_is_help=True)
asking.register(app)
JSON = typer.Option(False, "--json", help="Print JSON.")


@app.command("list")
def list_asks(
    everything: bool = typer.Option(False, "--all", help="Ended ones as well."),
    as_json: bool = JSON,
) -> None:
    """The asks that wait."""
    from responder.cli.remote import ask  # noqa: PLC0415

    rows = ask("GET", "/api/asks", params={"everything": everything})
    if as_json:
        put(rows)
        return
    table(
        ("ask", "incident", "tier", "state", "what", "approve by (UTC)"),
        [
            (
                r["id"],
                r["incident"],
                r["tier"],
                r["state"],
                "; ".join(c["summary"] for c in r["plan"]["changes"]),
                r["expires"][:19],
            )
            for r in rows
        ],
        empty="nothing waits for approval",
    )


@app.command()
def show(ask_id: str, as_json: bool = JSON) -> None:
    """One ask: what would change from what to what, what it touches, what it needs, until when."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", f"/api/asks/{ask_id}")
    if as_json:
        put(found)
        return
    _say_plan(found)
    number = " --number …" if found["needs"].get("number_match") else ""
    talk(f"next: responder approvals approve {ask_id} --plan {found['digest'][:12]}{number}")


def _say_plan(found: dict[str, Any]) -> None:
    plan, needs = found["plan"], found["needs"]
    rows = [
        (
            number,
            c["summary"],
            p["point"],
            p["before"] if p["known"] else "it did not answer",
            p["after"] if p["known"] else "once it does",
            c["lasts"],
        )
        for number, c in enumerate(plan["changes"], 1)
        for p in c["points"]
    ]
    table(("#", "change", "at", "before", "after", "lasts"), rows, empty="nothing would change")
    asking.say_who_asked(found)
    asking.say_decisions(found)
    blast = plan["blast"]
    talk(
        f"\n{found['tier']} · {plan['reason']}\n"
        f"touches {blast['hosts']} hosts, {blast['networks']} networks, {blast['accounts']} accounts; "
        f"protected: {', '.join(blast['protected']) or 'none'}\n"
        f"needs {needs['people']} to approve, {needs['stepped_up']} with a code · {found['state']} · "
        f"approve by {found['expires'][:19]} UTC\n"
        f"plan {found['digest'][:12]}\n"
        + (f"its number is {found['number']}\n" if needs.get("number_match") else "")
    )


@app.command()
def approve(
    ask_id: str,
    code: str = typer.Option("", help="A code of your authenticator app; asked for if needed."),
    backup_code: str = typer.Option(
        "", "--backup-code", help="One of your backup codes, in the code's place."
    ),
    number: int | None = typer.Option(
        None, help="The number that stands with the plan, at T3; asked for if needed."
    ),
    plan: str = typer.Option(
        "", help="The digest you looked at: its first 12 hex digits or more. None: it is shown now."
    ),
    reason: str = typer.Option("", help="Why."),
) -> None:
    """Approve exactly the plan that was shown."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", f"/api/asks/{ask_id}")
    code, is_open = backup_code or code, found["state"] == "open"
    if not plan:
        _look(found)
    if number is None and found["needs"].get("number_match") and is_open:
        number = typer.prompt("the number that stands with the plan", err=True, type=int)
    if found["needs"]["stepped_up"] and not code and is_open:
        code = typer.prompt("code of your authenticator app, or a backup code", err=True)
    verdict = {"approve": True, "code": code, "reason": reason, "number": number}
    verdict["digest"] = plan or found["digest"]
    said = ask("POST", f"/api/asks/{ask_id}/decisions", json=verdict)
    talk(
        f"recorded; the ask is {said['state']}"
        + ("" if said["delivered"] else ", Temporal does not answer yet")
    )


def _look(found: dict[str, Any]) -> None:
    """Show the plan to who did not say which one they looked at; a script must say it."""
    if not sys.stdin.isatty():
        raise Stop(
            USAGE,
            "expected --plan with the digest of what was looked at, found none; nothing was recorded\n\n"
            f"hint: responder approvals show {found['id']}",
        )
    _say_plan(found)
    typer.confirm("approve exactly this?", err=True, abort=True)


@app.command()
def deny(ask_id: str, reason: str = typer.Option("", help="Why.")) -> None:
    """Deny it: nothing is changed, whatever others say."""
    from responder.cli.remote import ask  # noqa: PLC0415

    said = ask("POST", f"/api/asks/{ask_id}/decisions", json={"approve": False, "reason": reason})
    talk(f"recorded; the ask is {said['state']}")


@app.command()
def revoke(
    ask_id: str,
    reason: str = typer.Option(..., help="Why."),
    decided_by: str = typer.Option("", "--of", help="Whose, as an admin; your own if left out."),
) -> None:
    """Take an approval back, as long as nothing was begun on the strength of it."""
    from responder.cli.remote import ask  # noqa: PLC0415

    body = {"reason": reason, "decided_by": decided_by}
    said = ask("POST", f"/api/approvals/{ask_id}/revoke", json=body)
    talk(
        "taken back; nothing of it will be done"
        if said["state"] == "revoked"
        else "taken back; the ask still waits for others"
    )
