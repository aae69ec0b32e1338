"""What was refused, as a page says it: what was not done, why, and what to do now."""

from typing import Final

from responder.incident import Frozen

_HINT: Final = "\n\nhint: "
_NOW: Final = "This page shows how it stands now: look at it, then try again."


class Trouble(Frozen):
    """One refusal in three parts, and the command that helps where there is one."""

    what: str
    why: str
    now: str = _NOW
    command: str = ""


def refusal(
    message: str, what: str = "That was not done.", now: str = "", command: str = ""
) -> Trouble:
    """*message* is a service's: its lines, and maybe a hint of a command; *now* is said in place of ours."""
    why, _, hint = message.partition(_HINT)
    return Trouble(what=what, why=_sentence(why), now=now or _NOW, command=command or hint)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
