"""
The golden cards drawn for people, as Slack draws them: light and dark, on a desk and on a phone.

    python -m tests.slack.preview --into /tmp/preview            # index.html and four screenshots
    python -m tests.slack.preview --into /tmp/preview --write    # and the golden files anew
"""

import argparse
import asyncio
import json
import re
from html import escape
from pathlib import Path
from typing import Any

from responder.slack import modals
from responder.slack.blocks import Rendered
from responder.slack.card import card, thread
from responder.slack.reading import Look
from tests.slack.incidents import BUTTONS, GOLDEN, LINK, NOW

GOLDEN_FILES = Path(__file__).parent / "golden"
_CHROMIUM = "/usr/bin/chromium"
_STYLE = """
:root{--bg:#fff;--fg:#1d1c1d;--soft:#616061;--line:#dddddd;--code:#c01343;--codebg:#f6f6f6;--btn:#fff;
--go:#007a5a;--link:#1264a3}
.dark{--bg:#1a1d21;--fg:#d1d2d3;--soft:#ababad;--line:#3b3d42;--code:#e8912d;--codebg:#232529;
--btn:#1a1d21;--go:#007a5a;--link:#1d9bd1}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.46668 Lato,"Helvetica Neue",Arial,sans-serif}
main{padding:16px 20px;max-width:720px}
h2{font-size:13px;color:var(--soft);font-weight:400;margin:28px 0 6px;border-top:1px solid var(--line);padding-top:8px}
.message{display:flex;gap:8px}.face{flex:none;width:36px;height:36px;border-radius:4px;background:#4a154b;color:#fff;
font-weight:900;text-align:center;line-height:36px}
.name b{font-weight:900}.name span{font-size:12px;color:var(--soft)}.app{background:var(--line);border-radius:2px;
font-size:10px!important;padding:1px 3px;margin:0 4px}
.body{min-width:0;flex:1}.header{font-size:18px;font-weight:900;line-height:1.33;margin:4px 0 8px}
.section{margin:0 0 8px;overflow-wrap:anywhere}.context
{font-size:13px;color:var(--soft);margin:0 0 8px;overflow-wrap:anywhere}
.actions{display:flex;flex-wrap:wrap;gap:8px;margin:4px 0 8px}hr{border:0;border-top:1px solid var(--line);margin:8px 0}
button{font:inherit;
font-size:15px;font-weight:700;height:36px;padding:0 12px;border-radius:4px;border:1px solid var(--line);
background:var(--btn);color:var(--fg)}button.primary{background:var(--go);border-color:var(--go);color:#fff}
code{font:12px/1.5 Monaco,Menlo,Consolas,"DejaVu Sans Mono",monospace;color:var(--code);background:var(--codebg);
border:1px solid var(--line);border-radius:3px;padding:1px 3px}a{color:var(--link);text-decoration:none}
.modal{border:1px solid var(--line);border-radius:8px;padding:12px 16px;max-width:520px}.send{justify-content:flex-end}
input{font:inherit;box-sizing:border-box;width:100%;height:36px;border:1px solid var(--soft);border-radius:4px;
background:var(--bg);color:var(--fg);margin-top:4px}
.menu{font-size:13px;color:var(--soft)}
.heard{font-size:12px;color:var(--soft);border-left:3px solid var(--line);
padding-left:8px;margin:4px 0 0 44px;overflow-wrap:anywhere}.thread
{margin:8px 0 0 44px;border-left:2px solid var(--line);padding-left:12px}
"""


def drawn(text: dict[str, Any]) -> str:
    """A text object as HTML; its escapes are HTML's own."""
    said = str(text["text"])
    if text["type"] == "plain_text":
        return said
    said = re.sub(r"<!date\^(\d+)\^([^|]*)\|[^>]*>", _local, said)
    said = re.sub(r"<(https?://[^|>]+)\|([^>]*)>", r'<a href="\1">\2</a>', said)
    said = re.sub(r"`([^`]+)`", r"<code>\1</code>", said)
    said = re.sub(r"\*([^*\n]+)\*", r"<b>\1</b>", said)
    said = re.sub(r"(?<![\w])_([^_\n]+)_(?![\w])", r"<i>\1</i>", said)
    return said.replace("\n", "<br>")


def _local(found: re.Match[str]) -> str:
    hours, minutes = divmod(int(found[1]) % 86_400 // 60 + 60, 60)
    return found[2].replace(
        "{time}", f"{hours % 12 or 12}:{minutes:02d} {'PM' if hours >= 12 else 'AM'}"
    )


def block(one: dict[str, Any]) -> str:
    """A block as HTML."""
    match one["type"]:
        case "header" | "section":
            return f'<div class="{one["type"]}">{drawn(one["text"])}</div>'
        case "context":
            return f'<div class="context">{" ".join(drawn(e) for e in one["elements"])}</div>'
        case "divider":
            return "<hr>"
        case "actions":
            return f'<div class="actions">{"".join(_element(e) for e in one["elements"])}</div>'
        case "input":
            hint = f'<div class="menu">{drawn(one["hint"])}</div>' if "hint" in one else ""
            maybe = ' <span class="menu">(optional)</span>' if one.get("optional") else ""
            return (
                f'<div class="section"><b>{drawn(one["label"])}</b>{maybe}<br><input>{hint}</div>'
            )
    raise ValueError(one["type"])


def _element(one: dict[str, Any]) -> str:
    if one["type"] == "overflow":
        menu = " · ".join(drawn(option["text"]) for option in one["options"])
        return f'<button>⋯</button> <span class="menu">{menu}</span>'
    return f'<button class="{one.get("style", "")}">{drawn(one["text"])}</button>'


def message(name: str, one: Rendered, under: Rendered | None = None) -> str:
    """A message as HTML, with what a notification says of it."""
    below = f'<div class="thread">{"".join(map(block, under.blocks))}</div>' if under else ""
    return (
        f'<h2>{escape(name)}</h2><div class="message"><div class="face">R</div><div class="body">'
        '<div class="name"><b>responder</b><span class="app">APP</span><span>3:05 PM</span></div>'
        f'{"".join(map(block, one.blocks))}</div></div><div class="heard">{one.text}</div>{below}'
    )


def views() -> dict[str, dict[str, Any]]:
    """The modals of a T2 and a T3 ask."""
    t2, t3 = Look(GOLDEN["p1-waiting"], NOW), Look(GOLDEN["t3-half-approved"], NOW)
    assert t2.ask is not None
    assert t3.ask is not None
    wrong = "the code does not match; 4 more are looked at in the next 5 minutes"
    return {
        "approve T2": modals.approval(t2, t2.ask, "b" * 32, LINK),
        "approve T3, a wrong code": modals.approval(
            t3, t3.ask, "b" * 32, LINK, wrong=wrong, turn="-1"
        ),
        "deny and report": modals.denial(t2, "b" * 32, report=True),
        "recorded": modals.outcome(
            "approve", "Recorded: you approved it. The card says what comes of it", "b"
        ),
    }


def view(name: str, one: dict[str, Any]) -> str:
    """A modal as HTML."""
    send = f'<button class="primary">{drawn(one["submit"])}</button>' if "submit" in one else ""
    return (
        f'<h2>{escape(name)}</h2><div class="modal"><div class="header">{drawn(one["title"])}</div>'
        f'{"".join(map(block, one["blocks"]))}<div class="actions send"><button>Close</button>{send}</div></div>'
    )


def page(dark: bool) -> str:
    """Every golden card, and the threads of some."""
    said = []
    for name, incident in GOLDEN.items():
        details = thread(incident, NOW, LINK)
        shown = (
            details
            if name in ("p1-waiting", "t3-half-approved", "partial", "500-targets")
            else None
        )
        said.append(message(name, card(incident, NOW, LINK, BUTTONS), shown))
    return (
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Cards</title><style>{_STYLE}</style><body class={'dark' if dark else 'light'}><main>"
        f"{''.join(said)}{''.join(view(name, one) for name, one in views().items())}</main>"
    )


async def _shoot(into: Path) -> None:
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only to draw

    async with async_playwright() as play:
        chromium = await play.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        for theme in ("light", "dark"):
            (into / f"{theme}.html").write_text(page(theme == "dark"))
            for device, width in (("desk", 760), ("phone", 390)):
                tab = await chromium.new_page(viewport={"width": width, "height": 900})
                await tab.goto(f"file://{into / f'{theme}.html'}")
                await tab.screenshot(path=into / f"{theme}-{device}.png", full_page=True)
                await tab.close()
        await chromium.close()


def write_golden() -> None:
    """The golden files anew: look at the pictures before they are committed."""
    GOLDEN_FILES.mkdir(exist_ok=True)
    for name, incident in GOLDEN.items():
        found = {
            "card": card(incident, NOW, LINK, BUTTONS).model_dump(mode="json"),
            "thread": thread(incident, NOW, LINK).model_dump(mode="json"),
        }
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        (GOLDEN_FILES / f"{name}.json").write_text(text)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--into", type=Path, required=True)
    asked.add_argument("--write", action="store_true")
    given = asked.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    if given.write:
        write_golden()
    asyncio.run(_shoot(given.into.absolute()))
