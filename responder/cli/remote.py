"""Asking the API, as whoever holds the token."""

import os
from typing import Any

from responder.cli.say import DENIED, FAILED, NOT_FOUND, UNAVAILABLE, Stop

_SECONDS = 30.0


def ask(method: str, path: str, **more: Any) -> Any:  # noqa: ANN401 - any JSON both ways
    """What the API answers. Raises `Stop` with the API's own words if it says no."""
    import httpx  # noqa: PLC0415 - only when something is asked

    url, token = _where()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.request(method, url + path, headers=headers, timeout=_SECONDS, **more)
    except httpx.HTTPError as error:
        said = f"{url} does not answer ({type(error).__name__})\n\nhint: responder up"
        raise Stop(UNAVAILABLE, said) from error
    if answer.is_success:
        return answer.json()
    try:
        said = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        said = answer.text[:300]
    status = {401: DENIED, 403: DENIED, 404: NOT_FOUND, 503: UNAVAILABLE}.get(
        answer.status_code, FAILED
    )
    if answer.status_code == 401:  # noqa: PLR2004 - HTTP's Unauthorized
        said = (
            f"{said}\n\nhint: set RESPONDER_TOKEN, or run this as the user who runs `responder up`"
        )
    raise Stop(status, str(said))


def _where() -> tuple[str, str]:
    from responder.settings import read_settings  # noqa: PLC0415 - heavy

    url, token = os.environ.get("RESPONDER_URL"), os.environ.get("RESPONDER_TOKEN")
    if url and token:
        return url.rstrip("/"), token
    settings = read_settings()
    if not token:
        try:
            token = (settings.state / "keys" / "local.token").read_text().strip()
        except OSError:
            token = ""
    return (url or settings.api.url).rstrip("/"), token
