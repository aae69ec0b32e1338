"""The commands of `responder incidents` that change an incident's course."""

import typer

from responder.cli.say import USAGE, Stop, put, table, talk

REASON = typer.Option(..., help="Why; it is kept in the audit.")


def register(app: typer.Typer) -> None:
    """Add them to `responder incidents`."""
    for command in (ack, take, note, priority, adopt_chain, pause, resume, duty):
        app.command()(command)


def ack(incident: str) -> None:
    """Say that you have it: you own it, and the acknowledge clock stops."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("POST", f"/api/incidents/{incident}/ack")
    talk(f"{incident} is {found['owner']}'s")


def take(incident: str) -> None:
    """Take it over from whoever has it."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("POST", f"/api/incidents/{incident}/take")
    before = found["from"]
    gone = f"; it was {before}'s" if before and before != found["owner"] else ""
    talk(f"{incident} is {found['owner']}'s{gone}")


def note(
    incident: str,
    text: str,
    update: bool = typer.Option(False, help="This is the news that people wait for."),
) -> None:
    """Write a note that everybody sees."""
    from responder.cli.remote import ask  # noqa: PLC0415

    body = {"text": text, "update": update}
    ask("POST", f"/api/incidents/{incident}/notes", json=body)
    talk(f"noted about {incident}" + ("; the next update is due anew" if update else ""))


def priority(
    incident: str, wanted: str = typer.Argument(help="P1 to P4."), reason: str = REASON
) -> None:
    """Give it another priority; its clocks are planned again, and its chain is paged."""
    from responder.cli.remote import ask  # noqa: PLC0415

    body = {"priority": wanted.upper(), "reason": reason}
    found = ask("POST", f"/api/incidents/{incident}/priority", json=body)
    talk(f"{incident} is {found['priority']}\n\nnext: responder incidents show {incident}")


def adopt_chain(incident: str) -> None:
    """Have it climb the chain of the settings as they are now, not the one it was opened with."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("POST", f"/api/incidents/{incident}/chain")
    talk(f"{incident} climbs {' → '.join(found['chain'])}\n\nnext: responder oncall now")


def pause(
    incident: str,
    clock: str = typer.Argument(help="acknowledge, contain, resolve or next-update."),
    length: str = typer.Option(..., "--for", help="How long, such as 1h; it goes on by itself."),
    reason: str = REASON,
) -> None:
    """Let one clock stand still for a while."""
    from responder.cli.remote import ask  # noqa: PLC0415
    from responder.cli.times import length as parsed  # noqa: PLC0415

    body = {"clock": clock, "length": parsed(length).total_seconds(), "reason": reason}
    found = ask("POST", f"/api/incidents/{incident}/pause", json=body)
    talk(f"{incident}: the {clock} clock stands still until {found['until'][:19]} UTC")


def resume(
    incident: str,
    clock: str = typer.Argument(help="acknowledge, contain, resolve or next-update."),
) -> None:
    """Let a paused clock go on before its pause ends by itself."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("POST", f"/api/incidents/{incident}/resume", json={"clock": clock})
    talk(f"{incident}: the {clock} clock goes on; due {found['due'][:19]} UTC")


def duty(  # noqa: PLR0917 - an option each
    incident: str,
    regime: str = typer.Argument("", help="gdpr, nis2, dora or one of your own; none: show all."),
    aware_at: str = typer.Option("", help="Since when you are aware, such as 2026-03-04T12:00Z."),
    classified_at: str = typer.Option("", help="When it was classified as one to be reported."),
    done: str = typer.Option("", help="The stage that was reported, such as notification."),
    reference: str = typer.Option("", help="Under what the authority knows it."),
    at: str = typer.Option("", help="When it was reported; now, if not said."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """What must be reported to whom and by when: begin it, mark a stage as done, or show all."""
    from responder.cli.remote import ask  # noqa: PLC0415
    from responder.cli.times import moment  # noqa: PLC0415

    moments = {"aware": aware_at, "classified": classified_at, "at": at}
    body = {name: moment(text).isoformat() for name, text in moments.items() if text}
    body |= {"done": done, "reference": reference} if done else {}
    if body and not regime:
        raise Stop(USAGE, f"expected a regime: responder incidents duty {incident} gdpr …")
    if body:
        ask("POST", f"/api/incidents/{incident}/duties/{regime}", json=body)
    rows = ask("GET", f"/api/incidents/{incident}")["duties"]
    rows = [row for row in rows if regime in ("", row["regime"])]
    if as_json:
        put(rows)
        return
    table(
        ("regime", "stage", "due (UTC)", "stands", "reference"),
        [(r["regime"], r["stage"], r["due"][:16], _stands(r), r["reference"]) for r in rows],
        empty=f"nothing is to be reported about {incident}, as far as anybody has said",
    )


def _stands(row: dict[str, str | None]) -> str:
    if row["done"]:
        return f"reported {row['done'][:16]}" + (", late" if row["breached"] else "")
    return "NOT REPORTED IN TIME" if row["breached"] else str(row["state"])
