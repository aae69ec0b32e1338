"""A browser without JavaScript and without a window: pages are read, and their forms sent as they stand."""

from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self

import httpx

from responder.people.sessions import cookie_name
from tests.console.ground import Ground


class _Forms(HTMLParser):
    """Every form of a page, with what a browser would send of it if nothing were touched."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._select = ""
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((found.get("action", ""), {}))
        if not self.forms or "disabled" in found or not found.get("name"):
            if tag == "option" and self._select:
                fields = self.forms[-1][1]
                if "selected" in found or self._select not in fields:
                    fields[self._select] = found.get("value", "")
            return
        if tag == "input" and (found.get("type") != "checkbox" or "checked" in found):
            self.forms[-1][1][found["name"]] = found.get("value", "")
        if tag == "select":
            self._select = found["name"]
        if tag == "textarea":
            self.forms[-1][1][found["name"]] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""


class Page:
    """What came back."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.text = answer.text
        self._parsed = _Forms()
        self._parsed.feed(answer.text)

    @property
    def trouble(self) -> str:
        """The words of the refusal on it; empty if there is none."""
        _, _, rest = self.text.partition('id="trouble"')
        return rest.partition("</div>")[0]

    @property
    def done(self) -> str:
        """The words of what was done just now."""
        _, _, rest = self.text.partition('id="done"')
        return rest.partition("</div>")[0]

    def form(self, action: str, **with_values: str) -> dict[str, str]:
        """The fields of the form that is sent to *action*, and has these values."""
        found = [
            dict(fields)
            for where, fields in self._parsed.forms
            if where == action and with_values.items() <= fields.items()
        ]
        assert len(found) == 1, f"{len(found)} forms for {action} {with_values}"
        return found[0]

    def has(self, action: str) -> bool:
        """Whether there is a form for *action*."""
        return any(where == action for where, _ in self._parsed.forms)


class Plain:
    """Somebody signed in with such a browser."""

    def __init__(self, ground: Ground, who: str) -> None:
        self.ground, self.who = ground, who
        self._client = httpx.AsyncClient(
            base_url=ground.origin,
            headers={"accept": "text/html"},
            follow_redirects=True,
            timeout=60,
        )

    async def __aenter__(self) -> Self:
        name, value = cookie_name(self.ground.origin), await self.ground.session(self.who)
        self._client.cookies.set(name, value)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def open(self, path: str) -> Page:
        """Read a page."""
        return Page(await self._client.get(path))

    async def get(self, path: str) -> httpx.Response:
        """Fetch what is no page."""
        return await self._client.get(path)

    async def send(self, action: str, fields: dict[str, Any]) -> Page:
        """Send a form, and go on to where it leads."""
        headers = {"origin": self.ground.origin}
        return Page(await self._client.post(action, data=fields, headers=headers))
