"""What Slack documents about messages and modals, checked on the finished JSON."""

import json
import re
from collections.abc import Iterator
from typing import Any

from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

# The only thing in angle brackets that our cards may have: a date, and our own link.
_OURS = re.compile(
    r"<!date\^\d+\^\{time\}\|\d{4}-\d\d-\d\d \d\d:\d\d UTC>|<https?://[^<>|]+\|[a-z ]+>"
)
_ESCAPES = re.compile(r"&(amp|lt|gt);")


def texts(node: Any) -> Iterator[dict[str, Any]]:
    """Every text object in a message or a modal."""
    if isinstance(node, dict):
        if node.get("type") in ("plain_text", "mrkdwn"):
            yield node
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from texts(value)


def units(text: str) -> int:
    """UTF-16 units: as JavaScript counts, and never less than anybody else does."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def faults(blocks: list[dict[str, Any]], text: str) -> list[str]:
    """Everything by which a message breaks a limit, or lets through what somebody else wrote as markup."""
    found = [*_limits(blocks), *_markup(blocks)]
    if len(blocks) > 50:
        found.append(f"{len(blocks)} blocks")
    if not text:
        found.append("no text")
    if "<" in text or ">" in text or _ESCAPES.sub("", text).count("&"):
        found.append(f"the text is not escaped: {text!r}")
    if (all_ := units(json.dumps(blocks, ensure_ascii=False)) + units(text)) > 10_000:
        found.append(f"{all_} characters in all")
    for block in blocks:
        try:
            parsed = Block.parse(block)
            assert parsed is not None, block["type"]
            parsed.validate_json()
        except Exception as error:  # noqa: BLE001 - whatever Slack's own models object to
            found.append(f"{block['type']}: {error}")
    return found


def modal_faults(view: dict[str, Any]) -> list[str]:
    """The same of a modal."""
    found = [*_limits(view["blocks"]), *_markup(view["blocks"])]
    try:
        View(**view).validate_json()
    except Exception as error:  # noqa: BLE001
        found.append(str(error))
    for name, most in (("title", 24), ("submit", 24), ("close", 24)):
        if name in view and units(view[name]["text"]) > most:
            found.append(f"{name} is too long")
    return found


def _limits(blocks: list[dict[str, Any]]) -> Iterator[str]:
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        yield f"a block_id twice: {ids}"
    for block in blocks:
        most = {"header": 150, "section": 3000, "input": 2000}.get(block["type"])
        for name in ("text", "label"):
            if most and name in block and units(block[name]["text"]) > most:
                yield f"{block['type']}.{name} is too long"
        if len(block.get("block_id", "")) > 255:
            yield "block_id is too long"
        if len(block.get("fields", [])) > 10 or any(
            units(f["text"]) > 2000 for f in block.get("fields", [])
        ):
            yield "fields"
        if block["type"] == "context" and len(block["elements"]) > 10:
            yield "context"
        if block["type"] == "actions":
            yield from _elements(block["elements"])


def _elements(elements: list[dict[str, Any]]) -> Iterator[str]:
    if not 0 < len(elements) <= 25:
        yield f"{len(elements)} elements"
    actions = [one["action_id"] for one in elements]
    if len(actions) != len(set(actions)):
        yield f"an action_id twice: {actions}"
    for one in elements:
        if one["type"] == "button":
            if units(one["text"]["text"]) > 75 or units(one.get("accessibility_label", "")) > 75:
                yield "a button's text is too long"
            if len(one.get("value", "")) > 2000 or len(one.get("url", "")) > 3000:
                yield "a button's value is too long"
        elif not 1 <= len(one["options"]) <= 5:
            yield "an overflow menu's options"
        elif any(units(o["text"]["text"]) > 75 or len(o["value"]) > 150 for o in one["options"]):
            yield "an option is too long"


def _markup(blocks: list[dict[str, Any]]) -> Iterator[str]:
    for text in texts(blocks):
        said = text["text"]
        if not said:
            yield "an empty text"
        if text["type"] == "mrkdwn" and text.get("verbatim") is not True:
            yield "a mrkdwn text in which Slack would look for names and links"
        if text["type"] == "plain_text" and text.get("emoji") is not False:
            yield "a plain text with emoji"
        left = _OURS.sub("", said) if text["type"] == "mrkdwn" else said
        if "<" in left or ">" in left:
            yield f"markup of somebody else's: {left!r}"
        if _ESCAPES.sub("", left).count("&"):
            yield f"a broken escape: {left!r}"
