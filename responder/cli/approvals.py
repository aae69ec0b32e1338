"""`responder approvals`."""

import typer

from responder.cli import asking
from responder.cli.say import put, table, talk

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
    plan, needs = found["plan"], found["needs"]
    rows = [
        (
            number,
            c["summary"],
            p["point"],
            p["before"] if p["known"] else "unknown",
            p["after"],
            c["lasts"],
        )
        for number, c in enumerate(plan["changes"], 1)
        for p in c["points"]
    ]
    table(("#", "change", "at", "before", "after", "lasts"), rows, empty="nothing would change")
    asking.say_decisions(found)
    blast = plan["blast"]
    talk(
        f"\n{found['tier']} · {plan['reason']}\n"
        f"touches {blast['hosts']} hosts, {blast['networks']} networks, {blast['accounts']} accounts; "
        f"protected: {', '.join(blast['protected']) or 'none'}\n"
        f"needs {needs['people']} to approve, {needs['stepped_up']} with a code · {found['state']} · "
        f"approve by {found['expires'][:19]} UTC\n"
        f"plan {found['digest'][:12]}\n\n"
        f"next: responder approvals approve {ask_id} --plan {found['digest'][:12]}"
    )


@app.command()
def approve(
    ask_id: str,
    code: str = typer.Option("", help="A code of your second factor; asked for if needed."),
    plan: str = typer.Option("", help="The digest you looked at: its first 12 hex digits or more."),
    reason: str = typer.Option("", help="Why."),
) -> None:
    """Approve exactly the plan that was shown."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", f"/api/asks/{ask_id}")
    if found["needs"]["stepped_up"] and not code and found["state"] == "open":
        code = typer.prompt("code of your second factor", err=True)
    verdict = {"approve": True, "code": code, "reason": reason, "digest": plan or found["digest"]}
    said = ask("POST", f"/api/asks/{ask_id}/decisions", json=verdict)
    talk(
        f"recorded; the ask is {said['state']}"
        + ("" if said["delivered"] else ", Temporal does not answer yet")
    )


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
