"""`responder pages` and `responder messages`."""

import typer

from responder.cli.say import put, table, talk

app = typer.Typer(help="Who is wanted now, and saying that one comes.", no_args_is_help=True)
messages_app = typer.Typer(
    help="What was said to people, and by which channel.", no_args_is_help=True
)
JSON = typer.Option(False, "--json", help="Print JSON.")


@app.command("list")
def list_pages(
    everything: bool = typer.Option(False, "--all", help="Taken and unanswered ones as well."),
    as_json: bool = JSON,
) -> None:
    """The pages that nobody has taken."""
    from responder.cli.remote import ask  # noqa: PLC0415

    rows = ask("GET", "/api/pages", params={"everything": everything})
    if as_json:
        put(rows)
        return
    table(
        ("page", "incident", "wants", "why", "paged", "stands"),
        [
            (
                r["id"],
                r["incident"],
                r["role"],
                r["subject"],
                f"{r['times']} times",
                f"taken by {r['acknowledged_by']}"
                if r["acknowledged"]
                else "UNANSWERED"
                if r["unanswered"]
                else f"again at {(r['next_page'] or '')[11:19]} UTC",
            )
            for r in rows
        ],
        empty="nobody is wanted",
    )


@app.command()
def ack(page: str) -> None:
    """Take a page, as one of the role that is wanted."""
    from responder.cli.remote import ask  # noqa: PLC0415

    said = ask("POST", f"/api/pages/{page}/ack")
    talk(f"taken by {said['by']}\n\nnext: responder incidents show {said['incident']}")


@messages_app.command("list")
def list_messages(
    waiting: bool = typer.Option(False, "--waiting", help="Only what no channel has taken."),
    last: int = typer.Option(50, help="How many."),
    as_json: bool = JSON,
) -> None:
    """The last messages, each with what its channels said."""
    from responder.cli.remote import ask  # noqa: PLC0415

    rows = ask("GET", "/api/messages", params={"waiting": waiting, "last": last})
    if as_json:
        put(rows)
        return
    table(
        ("message", "to", "what", "by", "receipt, or what was said"),
        [
            (
                r["id"],
                r["audience"],
                r["subject"],
                ", ".join(c["channel"] for c in r["channels"]) or "the log",
                "; ".join(c["receipt"] or f"{c['channel']}: {c['said']}" for c in r["channels"]),
            )
            for r in rows
        ],
        empty="nothing waits" if waiting else "nothing was said yet",
    )
