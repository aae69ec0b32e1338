"""
Modals: a plan in words with fields to type into, and what came of it.

What is sent off must be acknowledged before it is looked at, and then Slack takes no errors for single
fields any more. So the acknowledgement puts a modal there that says it is being looked at, and that
one is brought to what came of it: done, or the same fields again under the line that says what was
wrong. Pure. https://docs.slack.dev/surfaces/modals
"""

from collections.abc import Mapping
from typing import Any, Final

from responder.slack.blocks import Field, Json, divider, modal, section
from responder.slack.facts import GAP, Facts, Plan
from responder.slack.heard import Heard
from responder.slack.reading import Look, Row
from responder.slack.wording import Code, Piece, Prose, bold, line, link

APPROVE, DENY, REPORT, UNDO, EXTEND = "approve", "deny", "report", "undo", "extend"
OURS: Final = frozenset({APPROVE, DENY, REPORT, UNDO, EXTEND})
_CODE, _NUMBER, _REASON = 40, 4, 1_000
_TITLES = {
    APPROVE: "Approve",
    DENY: "Deny",
    REPORT: "Deny and report",
    UNDO: "Undo",
    EXTEND: "Extend",
}


def acknowledgement(heard: Heard) -> Json | None:
    """What goes back with the acknowledgement: for a modal of ours, that it is being looked at."""
    view = heard.payload.get("view")
    if heard.kind != "modal" or not isinstance(view, dict) or view.get("callback_id") not in OURS:
        return None
    said = "*Looking at it …*\nIf this stays, look at the card: it says what was recorded."
    shown = modal(
        _TITLES[view["callback_id"]],
        [section(line(said))],
        callback=view["callback_id"],
        metadata=str(view.get("private_metadata") or "-"),
    )
    return {"response_action": "update", "view": shown}


def approval(
    look: Look, ask: Row, button: str, origin: str, *, wrong: str = "", turn: str = ""
) -> Json:
    """The plan in words, and what approving *ask* takes; *wrong* says why the last try did not count."""
    needs = ask.get("needs") or {}
    stepped_up, number = bool(needs.get("stepped_up")), wants_number(ask)
    blocks = [*_wrong(wrong), *_plan(look)]
    if number:
        hint = "Two digits, in the thread under the card and where the plan is read in the console."
        blocks.append(
            Field("Number of this ask", f"number{turn}", "number", hint, most=_NUMBER).block
        )
    if stepped_up:
        blocks.append(_code(turn))
        address = f"{origin}/asks/{ask.get('id')}"
        with_key: list[Piece | str] = [
            "With a passkey instead: ",
            link(address, "approve in the console"),
        ]
        blocks.append(section(line(*with_key)))
    if not stepped_up and not number:
        blocks.append(section(line("It is decided as soon as you press ", bold("Approve"), ".")))
    return modal("Approve", blocks, callback=APPROVE, metadata=button, submit="Approve")


def denial(look: Look, button: str, *, report: bool, wrong: str = "", turn: str = "") -> Json:
    """What is denied, and room for why; with *report* also what reporting it does."""
    blocks = [*_wrong(wrong), *_plan(look)]
    if report:
        blocks.append(
            section(
                line(
                    bold("Deny and report"), GAP, "Security and the CISO are told, and whoever asked reaches "
                    "nobody more in this incident until an admin lets them.",
                )
            )
        )  # fmt: skip
    hint = "What made you think that nobody should have asked this?" if report else ""
    blocks.append(_why(turn, hint))
    kind = REPORT if report else DENY
    return modal(_TITLES[kind], blocks, callback=kind, metadata=button, submit=_TITLES[kind])


def lease(
    look: Look, kind: str, button: str, *, stepped_up: bool, wrong: str = "", turn: str = ""
) -> Json:
    """What would be undone or held longer, and what asking for it takes."""
    code = [_code(turn)] if stepped_up else []
    blocks = [*_wrong(wrong), *_plan(look), *code, _why(turn)]
    return modal(_TITLES[kind], blocks, callback=kind, metadata=button, submit=_TITLES[kind])


def outcome(kind: str, said: str, button: str) -> Json:
    """What came of it; there is nothing more to type."""
    return modal(
        _TITLES.get(kind, "responder"), [section(line(Prose(said)))], callback=kind, metadata=button
    )


def typed(payload: Mapping[str, Any]) -> dict[str, str]:
    """What was typed into a modal's fields, by the fields' action ids."""
    view = payload.get("view")
    state = view.get("state") if isinstance(view, dict) else None
    values = state.get("values") if isinstance(state, dict) else None
    found: dict[str, str] = {}
    for block in values.values() if isinstance(values, dict) else ():
        for action, element in block.items() if isinstance(block, dict) else ():
            value = element.get("value") if isinstance(element, dict) else None
            if isinstance(value, str):
                found[str(action)] = value.strip()
    return found


def wants_number(ask: Row) -> bool:
    """Whether approving *ask* takes its number."""
    wanted = (ask.get("needs") or {}).get("number_match")
    return bool(wanted) if wanted is not None else ask.get("tier") == "T3"


def _code(turn: str) -> Json:
    hint = "Of your authenticator app, or a backup code. It counts once."
    return Field("Code", f"code{turn}", "code", hint, "123456", most=_CODE).block


def _why(turn: str, hint: str = "") -> Json:
    hint = hint or "Kept with the decision."
    return Field(
        "Why", f"reason{turn}", "reason", hint, most=_REASON, multiline=True, optional=True
    ).block


def _wrong(said: str) -> list[Json]:
    """The line that says why the last try did not count, where the eyes are."""
    return [section(line("*Not recorded.* ", Prose(said)), most=600), divider()] if said else []


def _plan(look: Look) -> list[Json]:
    title = line(bold(""), Prose(look.incident.get("title", ""), 200)).pieces[1:]
    head = line(
        "*", Prose(look.incident.get("priority", ""), 8), " · ", Prose(look.id, 80), "* · ", *title
    )
    return [
        section(head, most=500),
        section(Plan(look), most=1_200),
        section(Facts(look), most=900),
        section(line("plan ", Code(look.digest[:12] or "-")), most=100),
    ]
