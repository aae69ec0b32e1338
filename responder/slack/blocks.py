"""
Block Kit by a builder that cannot make what Slack refuses: every limit holds by construction.

Limits of a block, an element and a text object: https://docs.slack.dev/reference/block-kit. A message
of about 13,200 characters in all is refused although each part is within its limit
(slackapi/bolt-js#2509), so a message is kept under 10,000 of them. Pure: JSON in and out.
"""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from responder.incident import Frozen
from responder.slack.wording import Piece, length, plainly

Json = dict[str, Any]

MOST_BLOCKS: Final = 50
MOST_IN_ALL: Final = 10_000
SECTION: Final = 3_000
FIELD, FIELDS = 2_000, 10
HEADER: Final = 150
BUTTON, VALUE, URL = 75, 2_000, 3_000
ELEMENTS: Final = 25
CONTEXT: Final = 10
BLOCK_ID, ACTION_ID = 255, 255
OPTION, OPTION_VALUE, OPTIONS = 75, 150, 5
MODAL_TITLE, MODAL_BUTTON, MODAL_BLOCKS, METADATA = 24, 24, 100, 3_000
LABEL, HINT, PLACEHOLDER, INPUT = 2_000, 2_000, 150, 3_000
TEXT: Final = 1_000


class Rendered(Frozen):
    """A message: its blocks, and the text that notifications and screen readers read instead of them."""

    blocks: tuple[Json, ...]
    text: str


def message(blocks: Sequence[Json], text: str) -> Rendered:
    """A message within every limit; blocks that do not fit give way to one that counts them."""
    said = plainly(text, TEXT)
    kept: list[Json] = []
    left = MOST_IN_ALL - weight([], said) - 200  # 200: the block that counts the rest
    for number, block in enumerate(blocks):
        rest = len(blocks) - number
        left -= weight([block], "")
        if left < 0 or (len(kept) == MOST_BLOCKS - 1 and rest > 1):
            kept.append(context(f"… and {rest} more blocks that do not fit into a message"))
            break
        kept.append(block)
    return Rendered(blocks=tuple(kept), text=said)


def weight(blocks: Sequence[Json], text: str) -> int:
    """How much a message counts towards the limit of all its characters: as JSON, to be safe."""
    return length(json.dumps(list(blocks), ensure_ascii=False)) + length(text)


def plain_text(text: object, most: int) -> Json:
    """Text in which Slack parses nothing."""
    return {"type": "plain_text", "text": plainly(text, most), "emoji": False}


def mrkdwn(piece: Piece, most: int) -> Json:
    """Text of our own marks around harmless words; Slack is told to find no links and names in it."""
    return {"type": "mrkdwn", "text": piece.within(most) or "-", "verbatim": True}


def header(text: str, *, block_id: str = "") -> Json:
    """The card's largest line."""
    return _block("header", block_id, text=plain_text(text, HEADER))


def section(piece: Piece, *, most: int = SECTION, block_id: str = "", expand: bool = False) -> Json:
    """A paragraph; with *expand* Slack hides no part of it behind "see more"."""
    more = {"expand": True} if expand else {}
    return _block("section", block_id, text=mrkdwn(piece, min(most, SECTION)), **more)


def fields(pieces: Sequence[Piece], *, block_id: str = "") -> Json:
    """Short texts in two columns, under each other on a phone."""
    return _block(
        "section", block_id, fields=[mrkdwn(one, FIELD) for one in pieces[:FIELDS]] or [_nothing()]
    )


def context(*said: str | Piece, most: int = 300, block_id: str = "") -> Json:
    """Small print."""
    made = [
        plain_text(one, most) if isinstance(one, str) else mrkdwn(one, most)
        for one in said[:CONTEXT]
    ]
    return _block("context", block_id, elements=made or [_nothing()])


def divider() -> Json:
    """A thin line."""
    return {"type": "divider"}


def actions(elements: Sequence[Json], *, block_id: str = "") -> Json:
    """A row of buttons."""
    return _block("actions", block_id, elements=list(elements[:ELEMENTS]))


def button(words: str, *, action: str, value: str, primary: bool = False, about: str = "") -> Json:
    """A button that carries *value* back; *about* is what a screen reader says of it."""
    made: Json = {
        "type": "button",
        "text": plain_text(words, BUTTON),
        "action_id": _exactly(action, ACTION_ID),
        "value": _exactly(value, VALUE),
    }
    if primary:
        made["style"] = "primary"
    if about:
        made["accessibility_label"] = plainly(about, BUTTON)
    return made


def link_button(words: str, *, action: str, url: str) -> Json:
    """A button that opens an address; Slack tells of its click too, and nothing answers that."""
    return {
        "type": "button",
        "text": plain_text(words, BUTTON),
        "action_id": _exactly(action, ACTION_ID),
        "url": _exactly(url, URL),
    }


def option(words: str, value: str, *, url: str = "") -> Json:
    """One line of an overflow menu."""
    made: Json = {"text": plain_text(words, OPTION), "value": _exactly(value, OPTION_VALUE)}
    return made | ({"url": _exactly(url, URL)} if url else {})


def overflow(options: Sequence[Json], *, action: str) -> Json:
    """The menu behind ⋯."""
    return {
        "type": "overflow",
        "action_id": _exactly(action, ACTION_ID),
        "options": list(options[:OPTIONS]),
    }


class Field(NamedTuple):
    """A field of a modal; *name* is its block's, under which its value comes back."""

    label: str
    name: str
    action: str = "said"
    hint: str = ""
    placeholder: str = ""
    most: int = INPUT
    multiline: bool = False
    optional: bool = False

    @property
    def block(self) -> Json:
        """The field as Slack takes it."""
        element: Json = {
            "type": "plain_text_input",
            "action_id": _exactly(self.action, ACTION_ID),
            "multiline": self.multiline,
            "max_length": min(self.most, INPUT),
        }
        if self.placeholder:
            element["placeholder"] = plain_text(self.placeholder, PLACEHOLDER)
        made = _block(
            "input",
            self.name,
            label=plain_text(self.label, LABEL),
            element=element,
            optional=self.optional,
        )
        return made | ({"hint": plain_text(self.hint, HINT)} if self.hint else {})


def modal(
    title: str, blocks: Sequence[Json], *, callback: str, metadata: str, submit: str = ""
) -> Json:
    """A modal; without *submit* it can only be closed."""
    made: Json = {
        "type": "modal",
        "callback_id": _exactly(callback, ACTION_ID),
        "private_metadata": _exactly(metadata, METADATA),
        "title": plain_text(title, MODAL_TITLE),
        "close": plain_text("Close", MODAL_BUTTON),
        "blocks": list(blocks[:MODAL_BLOCKS]),
    }
    return made | ({"submit": plain_text(submit, MODAL_BUTTON)} if submit else {})


def _block(kind: str, block_id: str, **parts: Any) -> Json:  # noqa: ANN401 - JSON
    made: Json = {"type": kind, **parts}
    return made | ({"block_id": _exactly(block_id, BLOCK_ID)} if block_id else {})


def _exactly(text: str, most: int) -> str:
    """What means something only as a whole: this program's own ids and addresses."""
    if not 0 < len(text) <= most:
        raise ValueError(f"expected 1 to {most} characters, found {len(text)}: {text[:40]!r}")
    return text


def _nothing() -> Json:
    return plain_text("-", 10)
