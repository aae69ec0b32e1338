"""
Text in Slack: what others wrote is shown as text, whatever marks it carries, and is cut honestly.

`&`, `<` and `>` are escaped in every text object, as Slack asks. Mrkdwn has no escape for its other
marks, so in prose each gives way to a sign that looks like it; inside code everything but the
backtick stands for itself, which keeps names exact and fit for copying.
https://docs.slack.dev/messaging/formatting-message-text
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

CUT = "… (cut)"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# An emoji's code, `:x:` or `:skin-tone-2:`; and what parses as a mention without angle brackets.
_EMOJI = re.compile(r":(?=[^\s:]{1,100}:)")
_LOUD = re.compile(r"@(?=channel|here|everyone|group)", re.IGNORECASE)
_INSIDE_A_WORD = re.compile(r"(?<=[A-Za-z0-9])_(?=[A-Za-z0-9])")
_TICK = "\N{MODIFIER LETTER GRAVE ACCENT}"
_LOOKALIKES = str.maketrans(
    {
        "*": "\N{ASTERISK OPERATOR}",
        "~": "\N{TILDE OPERATOR}",
        "_": "\N{MODIFIER LETTER LOW MACRON}",
        "`": _TICK,
    }
)
_ANY = 1_000_000
_ENOUGH = 4_000  # of one text: nowhere is more of it shown
# Marks on a letter beyond these are noise that covers the lines around it.
_MOST_MARKS = 3


class Piece(Protocol):
    """A part of a line of mrkdwn."""

    def within(self, most: int) -> str:
        """It as mrkdwn in at most *most* characters; empty if it cannot be cut to that."""
        ...


def harmless(text: object) -> str:
    """One line of printable text: no line breaks, no controls, nothing that turns or hides letters."""
    kept: list[str] = []
    marks = 0
    for sign in str(text)[:_ENOUGH]:
        category = unicodedata.category(sign)
        if category in ("Zs", "Zl", "Zp") or sign in "\t\n\r\v\f":
            kept.append(" ")
        elif category[0] != "C" and not "\ufe00" <= sign <= "\ufe0f":
            marks = marks + 1 if category in ("Mn", "Me") else 0
            if marks <= _MOST_MARKS:
                kept.append(sign)
    return " ".join("".join(kept).split())


def short(text: object, most: int) -> str:
    """What others wrote, as one line of at most *most* signs; that it was cut is said."""
    said = harmless(text)
    return said if len(said) <= most else said[: most - len(CUT)].rstrip() + CUT


def fitting(text: object, most: int) -> str:
    """As `short`, so that it has at most *most* signs even once it is escaped."""
    said = short(text, most)
    while sum(length(_ESCAPES.get(sign, sign)) for sign in said) > most:
        said = short(said, max(len(said) * 3 // 4, 1 + len(CUT)))
    return said.strip()


def length(text: str) -> int:
    """How long Slack may take *text* to be: in UTF-16 units, never less than in characters."""
    return len(text) + sum(sign > "\uffff" for sign in text)


def escaped(text: str, most: int) -> str:
    """*text* with Slack's three escapes, in at most *most* characters; what does not fit is said to be cut."""
    signs = [_ESCAPES.get(sign, sign) for sign in text]
    if sum(map(length, signs)) <= most:
        return "".join(signs)
    room = most - len(CUT)
    kept: list[str] = []
    for sign in signs:
        room -= length(sign)
        if room < 0:
            break
        kept.append(sign)
    return ("".join(kept).rstrip() + CUT)[:most] if most >= len(CUT) else "…"[:most]


def plainly(text: object, most: int) -> str:
    """What others wrote, for a place where Slack parses nothing (`plain_text`)."""
    return escaped(_defused(harmless(text)), most) or "-"


@dataclass(frozen=True)
class Prose:
    """Words that others wrote: titles, reasons, notes. Nothing in them formats, mentions or links."""

    text: object
    most: int = _ANY

    def within(self, most: int) -> str:
        words = _INSIDE_A_WORD.sub("\0", _defused(harmless(self.text))).translate(_LOOKALIKES)
        words = words.replace("\0", "_")
        return escaped(words, min(most, self.most))


@dataclass(frozen=True)
class Code:
    """A name that others gave: a host, a resource, a state. Exact, but for backticks."""

    text: object
    most: int = _ANY

    def within(self, most: int) -> str:
        name, most = harmless(self.text).replace("`", _TICK), min(most, self.most)
        return f"`{escaped(name, most - 2)}`" if name and most > 2 + len(CUT) else ""


@dataclass(frozen=True)
class Ours:
    """Mrkdwn that this program wrote: never cut in the middle, and never from an alert."""

    text: str

    def within(self, most: int) -> str:
        return self.text if length(self.text) <= most else ""


@dataclass(frozen=True)
class Line:
    """Pieces one after the other."""

    pieces: tuple[Piece, ...]

    def within(self, most: int) -> str:
        said: list[str] = []
        left = most
        for number, piece in enumerate(self.pieces):
            last = number == len(self.pieces) - 1
            shown = piece.within(left if last else left - len(CUT))
            whole = piece.within(_ANY)
            said.append(shown)
            left -= length(shown)
            if shown != whole:
                if not shown.endswith((CUT, CUT + "`")) and left >= len(CUT):
                    said.append(CUT)
                break
        return "".join(said)


def line(*pieces: Piece | str) -> Line:
    """A line; a `str` among the pieces is this program's own mrkdwn."""
    return Line(tuple(Ours(one) if isinstance(one, str) else one for one in pieces))


def lines(parts: Iterable[Line], most: int, *, more: str = "more lines") -> str:
    """Lines under each other in at most *most* characters; those that do not fit are counted."""
    given = list(parts)
    said: list[str] = []
    left = most
    for number, one in enumerate(given):
        rest = len(given) - number
        ending = f"… and {rest} {more}"
        reserved = 0 if rest == 1 else len(ending) + 1
        shown = one.within(max(left - reserved, 0))
        if not shown or (CUT in shown and CUT not in one.within(_ANY) and said):
            said.append(ending[: max(left, 0)])
            break
        said.append(shown)
        left -= length(shown) + 1
    return "\n".join(one for one in said if one)


@dataclass(frozen=True)
class Lines:
    """Lines under each other, as a piece."""

    lines: Sequence[Line]

    def within(self, most: int) -> str:
        return lines(self.lines, most)


@dataclass(frozen=True)
class Names:
    """Several names, as many as fit; the rest are counted: `a`, `b` … and 461 more."""

    names: Sequence[object]
    shown: int = 1_000
    most: int = _ANY
    plain: bool = False
    """As prose, where the names are our own and need not be copied."""

    def within(self, most: int) -> str:
        most = min(most, self.most)
        ending = f" … and {len(self.names)} more"
        said: list[str] = []
        left = most - len(ending)
        for name in self.names[: self.shown]:
            room = min(left - 2, 80)
            one = Prose(name).within(room) if self.plain else Code(name).within(room)
            if not one or left - 2 - length(one) < 0:
                break
            said.append(one)
            left -= length(one) + 2
        rest = len(self.names) - len(said)
        if not said:
            return f"{rest} names"[: max(most, 0)]
        return ", ".join(said) + (f" … and {rest} more" if rest else "")


def bold(words: str) -> Ours:
    """Words of this program, bold."""
    return Ours(f"*{words}*")


def clock(at: datetime, form: str = "{time}") -> Ours:
    """*at* in the reader's own time zone; where Slack cannot say it, in UTC."""
    return Ours(f"<!date^{int(at.timestamp())}^{form}|{at:%Y-%m-%d %H:%M} UTC>")


def link(address: str, words: str) -> Ours:
    """A link of this program's own making."""
    safe = "".join(_ESCAPES.get(sign, sign) for sign in address).replace("|", "%7C")
    return Ours(f"<{safe}|{words}>")


def _defused(words: str) -> str:
    """Without what Slack turns into an emoji, a loud mention or a link by itself."""
    words = _EMOJI.sub("\N{RATIO}", words.replace("://", "[:]//"))
    return _LOUD.sub("\N{FULLWIDTH COMMERCIAL AT}", words)
