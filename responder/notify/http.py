"""What the channels over HTTP share: time-outs, and what an answer means."""

from typing import Any

from responder.notify.message import Undelivered

_SECONDS = 5.0
_TOO_MANY = 429
_LONGEST_WAIT = 300.0


async def post(url: str, *, content: bytes, headers: dict[str, str]) -> Any:  # noqa: ANN401 - httpx's Response, imported late
    """The answer to a POST that was taken. Raises `Undelivered` for any other, with the wait it asks for."""
    import httpx  # noqa: PLC0415 - only where something is sent over HTTP

    try:
        async with httpx.AsyncClient(timeout=_SECONDS, follow_redirects=False) as client:
            answer = await client.post(url, content=content, headers=headers)
    except httpx.HTTPError as error:
        raise Undelivered(
            f"{httpx.URL(url).host}: {type(error).__name__}: {error}"[:500]
        ) from error
    if answer.is_success:
        return answer
    said = f"{answer.url.host} answered {answer.status_code}: {answer.text[:300]}"
    raise Undelivered(said, wait=_wait(answer.status_code, answer.headers.get("retry-after")))


def _wait(status: int, after: str | None) -> float | None:
    """Seconds of `Retry-After` (RFC 9110, 10.2.3), where it is a number; a minute for a bare 429."""
    if after is not None and after.isascii() and after.isdigit():
        return min(float(after), _LONGEST_WAIT)
    return 60.0 if status == _TOO_MANY else None
