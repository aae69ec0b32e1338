"""Paths of our own: where a browser may be sent on to, and back to."""

from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request

_LONGEST = 500
_FORM: Final = "application/x-www-form-urlencoded"


def local(path: str, otherwise: str = "/") -> str:
    """*path* if it leads to a page of ours, else *otherwise*: never to another host or scheme."""
    plain = path.isascii() and path.isprintable() and "\\" not in path and len(path) <= _LONGEST
    if not plain or not path.startswith("/") or path.startswith("//"):
        return otherwise
    split = urlsplit(path)
    return otherwise if split.scheme or split.netloc else path


async def fields(request: Request, largest: int = 64 * 1024) -> dict[str, str]:
    """The fields of a form that was sent; the last of those that are named twice."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return {}
    # Read once and kept; counted while it comes in: whoever is not signed in can send it too.
    raw = getattr(request.state, "form", None)
    if raw is None:
        kept = bytearray()
        async for chunk in request.stream():
            kept += chunk
            if len(kept) > largest:
                kept.clear()
                break
        raw = request.state.form = bytes(kept)
    try:
        pairs = parse_qsl(
            raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=250
        )
    except ValueError:  # more fields than any of our forms has
        return {}
    return dict(pairs)


async def login_for(request: Request) -> str:
    """The login, which leads back to the page that was asked for."""
    back = request.url.path
    if request.url.query:
        back += f"?{request.url.query}"
    if request.method != "GET":
        back = local((await fields(request)).get("back", ""))
    return "/login" if back == "/" else f"/login?next={quote(local(back), safe='/')}"
