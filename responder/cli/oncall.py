"""`responder oncall`."""

import typer

from responder.cli.say import FAILED, Stop, put, table, talk

app = typer.Typer(help="Who is on call, and standing in for them.", no_args_is_help=True)
JSON = typer.Option(False, "--json", help="Print JSON.")


@app.command("now")
def now_on_call(as_json: bool = JSON) -> None:
    """Whom each level of an escalation reaches at this moment, and how."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", "/api/oncall", params={"days": 1})
    if as_json:
        put(found["levels"])
        return
    table(
        ("level", "of", "reaches", "by", ""),
        [
            (
                level["level"],
                ", ".join(level["chains"]),
                person["name"],
                ", ".join(person["channels"]) or "no channel",
                level["said"],
            )
            for level in found["levels"]
            for person in level["people"] or [{"name": "NOBODY", "channels": []}]
        ],
        empty="the settings name no chain",
    )


@app.command("list")
def list_shifts(
    days: int = typer.Option(14, min=1, max=366, help="How many days."), as_json: bool = JSON
) -> None:
    """The shifts to come."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", "/api/oncall", params={"days": days})
    if as_json:
        put(found["shifts"])
        return
    by = {(o["roster"], o["person"]): o for o in found["overrides"]}
    table(
        ("roster", "team", "from (UTC)", "until (UTC)", "on call", ""),
        [
            (
                s["roster"],
                s["team"],
                _minute(s["start"]),
                _minute(s["until"]),
                s["person"] or "NOBODY",
                f"stands in ({by[s['roster'], s['person']]['id']})" if s["stands_in"] else "",
            )
            for s in found["shifts"]
        ],
        empty="the settings name no roster; a team without one is reached as a whole",
    )


@app.command()
def check(as_json: bool = JSON) -> None:
    """Whether every level of every chain reaches somebody by enough channels, also in the weeks to come."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", "/api/oncall/preflight")
    if as_json:
        put(found)
    elif not found["gaps"]:
        talk(f"every level reaches somebody, for {found['ahead_days']:g} days")
    if found["gaps"]:
        raise Stop(FAILED, "\n".join(gap["words"] for gap in found["gaps"]))


@app.command()
def override(
    roster: str,
    person: str,
    until: str = typer.Option(..., help="Until when: 2026-12-24T09:00Z."),
    start: str = typer.Option("", help="From when; now if left out."),
    reason: str = typer.Option("", help="Why."),
) -> None:
    """Let somebody stand in on a roster."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from responder.cli.remote import ask  # noqa: PLC0415

    body = {
        "roster": roster,
        "person": person,
        "start": start or datetime.now(UTC).isoformat(),
        "end": until,
        "reason": reason,
    }
    made = ask("POST", "/api/oncall/overrides", json=body)
    talk(
        f"{person} stands in on {roster} until {_minute(made['end'])} UTC\n\n"
        f"next: responder oncall withdraw {made['id']} ends it early"
    )


@app.command()
def withdraw(override_id: str) -> None:
    """End standing in, now."""
    from responder.cli.remote import ask  # noqa: PLC0415

    ask("POST", f"/api/oncall/overrides/{override_id}/withdraw")
    talk("whoever's turn it is, is on call again\n\nnext: responder oncall now")


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
