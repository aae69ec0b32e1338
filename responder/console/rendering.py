"""Templates to HTML: always escaped, with times and durations as people read them."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context

FOLDER: Final = Path(__file__).parent
_STATIC: Final = FOLDER / "static"
KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_DURATION: Final = TypeAdapter(timedelta)
_DAY, _HOUR, _MINUTE = 86400, 3600, 60
_KILO = 1000


@cache
def environment() -> "Environment":
    """The templates; an undefined name is an error, not an empty place."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context  # noqa: PLC0415

    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "at": pass_context(_at),
        "day": _day,
        "utc": _utc,
        "size": size,
        "span": span,
        "state": state,
        "without": without,
        "iso": lambda value: moment(value).isoformat(),
    }
    made.globals |= {"static": static}
    return made


@cache
def files() -> dict[str, tuple[bytes, str]]:
    """What browsers may keep for ever: each file under a name that changes with its content."""
    found = {}
    for path in sorted(_STATIC.iterdir()):
        if path.suffix in KINDS:
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:12]
            found[f"{path.stem}.{digest}{path.suffix}"] = (content, KINDS[path.suffix])
    return found


@cache
def static(name: str) -> str:
    """Where a static file is served."""
    stem, _, suffix = name.rpartition(".")
    form = re.compile(rf"{re.escape(stem)}\.[0-9a-f]{{12}}\.{suffix}")
    return next(f"/static/{one}" for one in files() if form.fullmatch(one))


def moment(value: str | datetime) -> datetime:
    """A time as rows have it, plain or not; UTC."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.astimezone(UTC)


def _at(context: "Context", value: str | datetime | None) -> Any:  # noqa: ANN401 - Markup
    """A moment, marked up so that the browser can add the reader's own time."""
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    if value is None:
        return ""
    at, now = moment(value), context["now"]
    form = "%H:%M:%S" if at.date() == now.date() else "%d %b %H:%M:%S"
    if at.year != now.year:
        form = "%Y-%m-%d %H:%M:%S"
    iso, shown = at.isoformat(timespec="seconds"), at.strftime(form).lstrip()
    return Markup('<time datetime="{}" data-at>{} UTC</time>').format(iso, shown)


def _day(value: str | datetime) -> str:
    return moment(value).strftime("%Y-%m-%d")


def _utc(value: str | datetime) -> str:
    return f"{moment(value):%d %b %H:%M} UTC".lstrip("0")


def size(count: int) -> str:
    """Bytes as people say them; the exact count stands where it is needed."""
    if count < _KILO:
        return f"{count} B"
    scaled, units = count / _KILO, ["kB", "MB", "GB", "TB"]
    while scaled >= _KILO and len(units) > 1:
        scaled /= _KILO
        units.pop(0)
    return f"{scaled:.1f} {units[0]}"


def span(value: str | timedelta | float | None) -> str:
    """A duration in the two largest units that say enough."""
    if value is None:
        return "until a person ends it"
    lasts = timedelta(seconds=value) if isinstance(value, (int, float)) else value
    whole = int(abs(_DURATION.validate_python(lasts).total_seconds()))
    days, rest = divmod(whole, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    said = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(said[:2]) or "0 s"


def without(reason: str, summary: str) -> str:
    """A reason as a sentence of its own, where it begins with what stands before it anyway."""
    return reason.removeprefix(f"{summary}: ")


_SWITCHES = {"Block": ("open", "blocked"), "Disable": ("enabled", "disabled")}


def state(value: object, kind: str = "") -> str:
    """What a point holds, as people say it; structures as JSON, a key a line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return _SWITCHES.get(kind, ("off", "on"))[value]
    if isinstance(value, (dict, list)):
        return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)
    return str(value)
