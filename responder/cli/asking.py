"""`responder approvals`: what is beside approving and denying."""

from typing import Any

import typer

from responder.cli.say import put, table, talk
from responder.cli.times import length

JSON = typer.Option(False, "--json", help="Print JSON.")


def register(app: typer.Typer) -> None:
    """Add these commands to `responder approvals`."""
    app.command("break-glass")(break_glass)
    for command in (edit, report, unmute, stamps, reviews, review):
        app.command()(command)


def say_who_asked(found: dict[str, Any]) -> None:
    """Who asked for it, where a person did, and who may approve it therefore."""
    if not found.get("asked_for_by"):
        return
    talk(f"asked for by {found['asked_for_by']}")
    if found["state"] == "open":
        given = {one["principal"] for one in found["decisions"] if not one["revoked"]}
        left = [name for name in found["may_approve"] if name not in given]
        talk(f"may still approve it: {', '.join(left) or 'nobody whom the settings know'}")


def say_decisions(found: dict[str, Any]) -> None:
    """Who decided, how long it had been before them, and whom it reached."""
    for one in found["decisions"]:
        after = one.get("after")
        seen = "" if after is None else f" {after:.1f} s after it came before them"
        taken = ", taken back" if one["revoked"] else ""
        talk(f"{one['principal']} {'approved' if one['approve'] else 'denied'}{seen}{taken}")
    delivered = [one["person"] for one in found.get("told", ()) if one["delivered"]]
    if delivered:
        talk(f"delivered to {', '.join(delivered)}")


def break_glass(
    ask_id: str,
    reason: str = typer.Option(
        ..., help="Why it cannot wait for the others: 10 characters or more."
    ),
    code: str = typer.Option("", help="A code of your authenticator app; asked for if not given."),
    plan: str = typer.Option("", help="The digest you looked at: its first 12 hex digits or more."),
) -> None:
    """Approve alone what needs more people: the CISO is paged at once, and somebody reviews it."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", f"/api/asks/{ask_id}")
    code = code or typer.prompt("code of your authenticator app", err=True)
    body = {"reason": reason, "code": code, "digest": plan or found["digest"]}
    said = ask("POST", f"/api/asks/{ask_id}/break-glass", json=body)
    talk(
        f"recorded; the ask is {said['state']}, the CISO is paged, and review {said['review']} is due"
        + ("" if said["delivered"] else "\nTemporal does not answer yet")
    )


def edit(
    ask_id: str,
    reason: str = typer.Option(..., help="Why; everybody who is asked anew reads it."),
    lasts: str = typer.Option("", help="Hold it for so long instead, such as 30m, 2h or 1d."),
    without: list[int] = typer.Option([], help="Leave out the action of this number, from 1."),
    plan: str = typer.Option("", help="The digest you looked at: its first 12 hex digits or more."),
) -> None:
    """Have another plan drawn instead of approving this one; everybody is asked about it anew."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", f"/api/asks/{ask_id}")
    body = {"reason": reason, "without": without, "digest": plan or found["digest"]}
    if lasts:
        body["lasts"] = length(lasts).total_seconds()
    ask("POST", f"/api/asks/{ask_id}/edit", json=body)
    talk("recorded; the ask is over, and a new one follows\n\nnext: responder approvals list")


def report(ask_id: str, reason: str = typer.Option(..., help="What is wrong with it.")) -> None:
    """Deny an ask that nobody should have made, and report it to security and the CISO."""
    from responder.cli.remote import ask  # noqa: PLC0415

    body = {"approve": False, "report": True, "reason": reason}
    said = ask("POST", f"/api/asks/{ask_id}/decisions", json=body)
    talk(f"recorded; the ask is {said['state']}, and security and the CISO are told")


def unmute(incident: str) -> None:
    """Let asks of an incident reach people again after one was reported; an admin may."""
    from responder.cli.remote import ask  # noqa: PLC0415

    ask("POST", f"/api/incidents/{incident}/unmute", json={})
    talk(f"asks of {incident} reach people again")


def stamps(as_json: bool = JSON) -> None:
    """The last week's decisions by person, and how many came sooner than anybody can read."""
    from responder.cli.remote import ask  # noqa: PLC0415

    rows = ask("GET", "/api/approvals/stamps")
    if as_json:
        put(rows)
        return
    table(
        ("person", "decisions", "unread", "fastest (s)"),
        [(r["person"], r["decided"], r["stamps"], _one_digit(r["fastest"])) for r in rows],
        empty="nobody decided anything in the last week",
    )


def reviews(
    everything: bool = typer.Option(False, "--all", help="Reviewed ones as well."),
    as_json: bool = JSON,
) -> None:
    """The broken glasses that somebody must review."""
    from responder.cli.remote import ask  # noqa: PLC0415

    rows = ask("GET", "/api/approvals/reviews", params={"everything": everything})
    if as_json:
        put(rows)
        return
    table(
        ("review", "incident", "ask", "by", "why", "due (UTC)", "found"),
        [
            (r["id"], r["incident"], r["ask"], r["person"], r["reason"], r["due"][:16],
             f"{r['verdict']} by {r['reviewer']}" if r["done"] else "")
            for r in rows
        ],
        empty="nothing waits for a review",
    )  # fmt: skip


def review(
    review_id: str,
    verdict: str = typer.Option(..., help="justified or misused."),
    reason: str = typer.Option(..., help="Why."),
) -> None:
    """Say whether a glass was broken with need; whoever broke it cannot."""
    from responder.cli.remote import ask  # noqa: PLC0415

    if verdict not in ("justified", "misused"):
        raise typer.BadParameter(f"expected justified or misused, found {verdict!r}")
    body = {"verdict": verdict, "reason": reason}
    said = ask("POST", f"/api/approvals/reviews/{review_id}", json=body)
    talk(f"recorded: {said['verdict']}")


def _one_digit(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"
