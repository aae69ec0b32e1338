"""What is done about what was heard from Slack: who it was, what the button was of, and one answer."""

from collections.abc import Mapping
from typing import Any

import structlog

from responder.api.parts import Parts
from responder.errors import Refused
from responder.handling import acknowledge
from responder.people.person import Permission, Person
from responder.slack import buttons, commands, deciding, identity, leases, modals, shown
from responder.slack.heard import Heard
from responder.slack.reply import Reply, of_button
from responder.steering import Steering

log = structlog.get_logger(__name__)

_LINKS = frozenset({"details", "runbook"})
_DECISIONS = frozenset({modals.APPROVE, modals.DENY, modals.REPORT})
_MENU = "more"


async def answer(parts: Parts, heard: Heard) -> None:
    """
    Do what somebody did in Slack, or say in one line why not.

    Called after the acknowledgement. What is refused is told to that person alone; nothing of it
    reaches the channel.
    """
    if heard.kind == "button" and _value(heard)[1] in _LINKS:
        return  # Slack opened the address itself
    reply = Reply(parts, heard)
    try:
        person = await identity.who(parts, heard)
        match heard.kind:
            case "button":
                await _button(parts, reply, person, heard)
            case "modal":
                await _modal(parts, reply, person, heard)
            case "command":
                await commands.run(parts, reply, person, heard)
    except Refused as refused:
        said = deciding.one_line(refused)
        log.info("slack_refused", kind=heard.kind, by=heard.user, said=said[:300])
        named = parts.people.find(said.split(" ", 1)[0]) is not None
        await reply.say(said if named else said[:1].upper() + said[1:])
    except Exception as error:
        log.error(
            "slack_answer_failed", kind=heard.kind, error=f"{type(error).__name__}: {error}"[:500]
        )
        await reply.say(
            "That did not work, and whether it was recorded is on the card. The console and the command line do "
            f"the same: {parts.settings.api.origin}"
        )
        raise


async def _button(parts: Parts, reply: Reply, person: Person, heard: Heard) -> None:
    action, value = _value(heard)
    async with parts.store.reading() as tx:
        row = await buttons.pressed(tx, value)
        card = await shown.described(tx, heard.channel, _message(heard))
    if row is None or (action not in (row["action"], _MENU)):
        raise Refused(of_button(None))
    if card is None or card["incident"] != row["incident"]:
        raise Refused(of_button(row))
    match row["action"]:
        case "take" if action == _MENU:
            person.must(Permission.INCIDENTS_WRITE)
            before = await _steering(parts).take(row["incident"], person)
            whose = f", from {before}" if before and before != person.name else ""
            await reply.say(f"{row['incident']} is yours now{whose}")
        case "take":
            person.must(Permission.INCIDENTS_WRITE)
            await acknowledge(parts.store, row["incident"], person)
            await reply.say(f"{row['incident']} is yours now")
        case "undo":
            await leases.ask_to_undo(parts, reply, person, row)
        case action if action in _DECISIONS:
            await deciding.pressed(parts, reply, person, row, sure=True)
        case _:
            raise Refused(of_button(None))


async def _modal(parts: Parts, reply: Reply, person: Person, heard: Heard) -> None:
    view: Mapping[str, Any] = heard.payload.get("view") or {}
    async with parts.store.reading() as tx:
        row = await buttons.pressed(tx, str(view.get("private_metadata") or ""))
        card = None if row is None else await shown.of_incident(tx, row["incident"])
    if row is None or row["action"].split(" ")[0] != view.get("callback_id"):
        raise Refused(of_button(None))
    if card is not None:
        reply.channel = card["channel"]
    typed = modals.typed(heard.payload)
    if row["action"] in _DECISIONS:
        await deciding.submitted(parts, reply, person, row, typed)
    else:
        await leases.submitted(parts, reply, person, row, typed)


def _value(heard: Heard) -> tuple[str, str]:
    """The action id of what was pressed, and what it carried."""
    actions = heard.payload.get("actions")
    first = actions[0] if isinstance(actions, list) and actions else {}
    if not isinstance(first, dict):
        return "", ""
    option = first.get("selected_option")
    value = option.get("value") if isinstance(option, dict) else first.get("value")
    action = str(first.get("action_id") or "")
    if value is None and action in _LINKS:
        value = action
    return action, value if isinstance(value, str) else ""


def _message(heard: Heard) -> str:
    container = heard.payload.get("container")
    found = container.get("message_ts") if isinstance(container, dict) else None
    return found if isinstance(found, str) else ""


def _steering(parts: Parts) -> Steering:
    return Steering(parts.store, parts.kinds, parts.policy)
