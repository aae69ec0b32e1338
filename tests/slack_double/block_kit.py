"""What Slack's documentation allows in a message's and in a modal's blocks; everything else is a fault."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]

IN_MESSAGES = {"section", "divider", "header", "context", "actions", "image"}
IN_MODALS = IN_MESSAGES | {"input"}
CLICKABLE = {"button", "overflow", "static_select", "radio_buttons", "checkboxes"}
_TEXTS = {"mrkdwn", "plain_text"}
_STYLES = {"primary", "danger"}


def block_faults(blocks: object, allowed: set[str] = IN_MESSAGES, most: int = 50) -> list[str]:
    """What Slack would refuse, each with where it is."""
    if not isinstance(blocks, list):
        return ["must be an array [json-pointer:/blocks]"]
    found: list[str] = []
    if len(blocks) > most:
        found.append(f"no more than {most} items allowed [json-pointer:/blocks]")
    named = [b["block_id"] for b in blocks if isinstance(b, dict) and b.get("block_id")]
    if len(named) != len(set(named)):
        found.append("block_id must be unique [json-pointer:/blocks]")
    for number, block in enumerate(blocks):
        where = f"/blocks/{number}"
        if not isinstance(block, dict):
            found.append(f"must be an object [json-pointer:{where}]")
            continue
        found += [f"{said} [json-pointer:{where}{at}]" for at, said in _block(block, allowed)]
    return found


def characters(blocks: Sequence[Json]) -> int:
    """All the characters that a reader would see."""

    def count(value: object) -> int:
        if isinstance(value, dict):
            own = len(value["text"]) if isinstance(value.get("text"), str) else 0
            return own + sum(
                count(part) for name, part in value.items() if name != "text" or not own
            )
        return sum(map(count, value)) if isinstance(value, list) else 0

    return count(list(blocks))


def _block(block: Json, allowed: set[str]) -> Iterator[tuple[str, str]]:
    kind = block.get("type")
    if kind not in allowed:
        yield "/type", f"unsupported type: {kind}"
        return
    if len(str(block.get("block_id", ""))) > 255:
        yield "/block_id", "must be less than 256 characters"
    yield from _CHECKS[str(kind)](block)


def _section(block: Json) -> Iterator[tuple[str, str]]:
    if "text" not in block and "fields" not in block:
        yield "", "missing required field: text or fields"
    if "text" in block:
        yield from _text(block["text"], "/text", 3000, _TEXTS)
    if "fields" in block:
        yield from _many(
            block["fields"], "/fields", 10, lambda field, at: _text(field, at, 2000, _TEXTS)
        )
    if "accessory" in block:
        yield from _element(block["accessory"], "/accessory")


def _many(values: object, at: str, most: int, each: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(values, list) or not values:
        yield at, "must be an array of one item at least"
        return
    if len(values) > most:
        yield at, f"no more than {most} items allowed"
    for number, value in enumerate(values):
        yield from each(value, f"{at}/{number}")


def _text(value: object, at: str, most: int, kinds: set[str]) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict) or value.get("type") not in kinds:
        yield at, f"must be a text object of {' or '.join(sorted(kinds))}"
        return
    text = value.get("text")
    if not isinstance(text, str) or not text:
        yield f"{at}/text", "must be more than 0 characters"
    elif len(text) > most:
        yield f"{at}/text", f"must be less than {most + 1} characters"


def _context_part(value: object, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value.get("type") == "image":
        return
    yield from _text(value, at, 3000, _TEXTS)


def _element(value: object, at: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict) or value.get("type") not in CLICKABLE:
        yield at, "unsupported element"
        return
    if len(str(value.get("action_id", ""))) > 255:
        yield f"{at}/action_id", "must be less than 256 characters"
    if value["type"] == "button":
        yield from _text(value.get("text"), f"{at}/text", 75, {"plain_text"})
        for name, most in (("value", 2000), ("url", 3000), ("accessibility_label", 75)):
            if len(str(value.get(name, ""))) > most:
                yield f"{at}/{name}", f"must be less than {most + 1} characters"
        if "style" in value and value["style"] not in _STYLES:
            yield f"{at}/style", "must be primary or danger"
    elif value["type"] == "overflow":
        yield from _many(value.get("options"), f"{at}/options", 5, _option)
    else:
        yield from _many(value.get("options"), f"{at}/options", 100, _option)


def _option(value: object, at: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield at, "must be an object"
        return
    yield from _text(value.get("text"), f"{at}/text", 75, _TEXTS)
    if not 0 < len(str(value.get("value", ""))) <= 150:
        yield f"{at}/value", "must be 1 to 150 characters"


def _input(block: Json) -> Iterator[tuple[str, str]]:
    yield from _text(block.get("label"), "/label", 2000, {"plain_text"})
    if "hint" in block:
        yield from _text(block["hint"], "/hint", 2000, {"plain_text"})
    element = block.get("element")
    if not isinstance(element, dict) or "type" not in element:
        yield "/element", "missing required field"
        return
    if "placeholder" in element:
        yield from _text(element["placeholder"], "/element/placeholder", 150, {"plain_text"})
    if element["type"] == "plain_text_input" and int(element.get("max_length", 1)) > 3000:
        yield "/element/max_length", "must be 3000 at most"


def view_faults(view: object) -> list[str]:
    """What Slack would refuse in a modal."""
    if not isinstance(view, dict) or view.get("type") != "modal":
        return ["must be a view of type modal [json-pointer:/view]"]
    found: list[str] = []
    for name in ("title", "submit", "close"):
        if name in view or name == "title":
            found += [
                f"{said} [json-pointer:/view{at}]"
                for at, said in _text(view.get(name), f"/{name}", 24, {"plain_text"})
            ]
    if len(str(view.get("private_metadata", ""))) > 3000:
        found.append("must be less than 3001 characters [json-pointer:/view/private_metadata]")
    if len(str(view.get("callback_id", ""))) > 255:
        found.append("must be less than 256 characters [json-pointer:/view/callback_id]")
    blocks = view.get("blocks")
    found += block_faults(blocks, IN_MODALS, 100)
    asks = isinstance(blocks, list) and any(b.get("type") == "input" for b in blocks)
    if asks and "submit" not in view:
        found.append("submit is needed with input blocks [json-pointer:/view/submit]")
    return found


def _header(block: Json) -> Iterator[tuple[str, str]]:
    yield from _text(block.get("text"), "/text", 150, {"plain_text"})


def _context(block: Json) -> Iterator[tuple[str, str]]:
    yield from _many(block.get("elements"), "/elements", 10, _context_part)


def _actions(block: Json) -> Iterator[tuple[str, str]]:
    yield from _many(block.get("elements"), "/elements", 25, _element)
    ids = [e.get("action_id") for e in block.get("elements") or [] if isinstance(e, dict)]
    if len(ids) != len(set(ids)):
        yield "/elements", "action_id must be unique within a block"


def _image(block: Json) -> Iterator[tuple[str, str]]:
    if len(str(block.get("image_url", ""))) > 3000 or not block.get("alt_text"):
        yield "", "expected an image_url of 3000 characters at most, and alt_text"


_CHECKS: dict[str, Callable[[Json], Iterator[tuple[str, str]]]] = {
    "section": _section,
    "divider": lambda _: iter(()),
    "header": _header,
    "context": _context,
    "actions": _actions,
    "image": _image,
    "input": _input,
}
