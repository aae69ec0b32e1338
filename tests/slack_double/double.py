"""The double running on loopback, and the people who click in it."""

import hashlib
import hmac
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from tests.slack_double.block_kit import view_faults
from tests.slack_double.sockets import Sockets
from tests.slack_double.web_api import WebApi
from tests.slack_double.workspace import Channel, Json, Url, User, Workspace

_ACK_SECONDS = 3.0
_URL_USES, _URL_SECONDS = 5, 30 * 60


@dataclass(frozen=True)
class Ack:
    """How what somebody did was acknowledged: *seconds* is None where it was not, within three."""

    seconds: float | None
    status: int = 0
    body: Any = None

    @property
    def good(self) -> bool:
        """Whether the person saw no error."""
        return self.seconds is not None and self.status == 200


class Slack(Workspace):
    """One workspace with one app; `start` and `stop` as often as a test likes, on the same port."""

    def __init__(self, *, request_url: str = "", **more: Any) -> None:
        super().__init__(**more)
        self.channels = self.channels or {"C0IR": Channel("C0IR")}
        self.users = self.users or {f"U0{n.upper()}": User(f"U0{n.upper()}", n) for n in
                                    ("ana", "ben", "cyd", "vic")}  # fmt: skip
        self.request_url = request_url  # none: by Socket Mode
        self.port = 0
        self.sockets = Sockets(self.app)
        self.acks: list[Ack] = []
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """What a client is given for https://slack.com/api/."""
        return f"http://127.0.0.1:{self.port}/api/"

    async def start(self) -> Self:
        """Listen."""
        api = WebApi(self, lambda: self.sockets.ticket(self.port))
        served = web.Application()
        served.add_routes(
            [
                web.route("*", "/api/{method}", api.serve),
                web.get("/link/", self.sockets.serve),
                web.post("/actions/{key}", self._respond),
            ]
        )
        self._runner = web.AppRunner(served, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        if not self.port:
            server: Any = site._server
            self.port = server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Slack is down: nothing listens, every connection is gone."""
        if self._runner is not None:
            await self.sockets.drop()
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # What is to be seen.

    def posts(self, channel: str = "C0IR") -> list[Json]:
        """What stands in the channel itself: messages, and replies that were shown there too."""
        said = self.channels[channel].messages.values()
        return [m for m in said if "thread_ts" not in m or m.get("reply_broadcast")]

    def replies(self, ts: str, channel: str = "C0IR") -> list[Json]:
        """What stands in a thread."""
        return [m for m in self.channels[channel].messages.values() if m.get("thread_ts") == ts]

    def element(self, channel: str, ts: str, action: str) -> Json:
        """A button or a menu of a message, by its action id."""
        for block in self.message(channel, ts).get("blocks") or []:
            for element in block.get("elements", []):
                if element.get("action_id") == action:
                    return {**element, "block_id": block.get("block_id", "b")}
        raise KeyError(f"no {action} in {self.message(channel, ts)}")

    def settings(self, **more: Any) -> Json:
        """`slack:` of the settings of a runner that is to talk to this double."""
        http = bool(self.request_url)
        return {
            "mode": "http" if http else "socket",
            "bot_token": self.bot_token,
            **({"signing_secret": self.signing_secret} if http else {"app_token": self.app_token}),
            "team": self.team,
            "app": self.app,
            "channel": next(iter(self.channels)),
            "base_url": self.base_url,
            **more,
        }

    # What people do.

    async def click(self, user: str, channel: str, ts: str, action: str, option: int = 0,
                    **edited: Any) -> Ack:  # fmt: skip
        """Press a button, or choose an option of a menu; *edited*: what a forger would change."""
        element = self.element(channel, ts, action)
        done = {k: v for k, v in element.items() if k in ("type", "action_id", "block_id", "value")}
        if element["type"] == "overflow":
            done["selected_option"] = element["options"][option]
        done |= {"action_ts": f"{time.time():.6f}", **edited}
        payload = self._payload("block_actions", user, channel, ts)
        payload |= {"container": {"type": "message", "message_ts": ts, "channel_id": channel},
                    "message": self.message(channel, ts), "actions": [done]}  # fmt: skip
        return await self.deliver("interactive", payload)

    async def submit(self, user: str, view_id: str, values: dict[str, Any]) -> Ack:
        """Send a modal off, with what was typed by action id."""
        view = self.views[view_id]
        assert view["open"]
        assert view["user"] == user
        state: dict[str, Json] = {}
        for block in view["blocks"]:
            if block["type"] != "input":
                continue
            element = block["element"]
            typed = values.get(element["action_id"])
            assert typed is not None or block.get("optional"), f"{element['action_id']} is needed"
            state[block["block_id"]] = {
                element["action_id"]: {"type": element["type"], "value": typed}
            }
        payload = self._payload("view_submission", user)
        payload["view"] = {k: v for k, v in view.items() if k not in ("user", "open")}
        payload["view"]["state"] = {"values": state}
        ack = await self.deliver("interactive", payload)
        if ack.good:
            self._acknowledged(view, ack.body)
        return ack

    @staticmethod
    def _acknowledged(view: Json, body: Any) -> None:
        """An empty acknowledgement closes a modal; one with `update` shows something else in it."""
        if not body:
            view["open"] = False
            return
        assert body["response_action"] == "update", body
        faults = view_faults(body["view"])
        assert faults == [], faults
        view.update(body["view"])

    async def command(self, user: str, text: str, channel: str = "C0IR", name: str = "/ir") -> Ack:
        """Type a slash command."""
        payload = {
            "command": name, "text": text, "user_id": user, "user_name": self.users[user].name,
            "team_id": self.users[user].team, "team_domain": "lab", "channel_id": channel,
            "channel_name": "ir", "api_app_id": self.app, "trigger_id": self._trigger(user),
            "response_url": self._url(channel, "", user), "is_enterprise_install": "false",
        }  # fmt: skip
        return await self.deliver("slash_commands", payload)

    async def deliver(self, kind: str, payload: Json) -> Ack:
        """Hand it over by the way that is configured, and see how it is acknowledged."""
        if self.request_url:
            ack = await self._request(kind, payload)
        else:
            began = time.monotonic()
            answer = await self.sockets.send(kind, payload, _ACK_SECONDS)
            late = answer is None
            ack = Ack(None if late else time.monotonic() - began, 0 if late else 200,
                      (answer or {}).get("payload"))  # fmt: skip
        self.acks.append(ack)
        return ack

    def signed(self, body: bytes, *, at: float | None = None, secret: str = "") -> dict[str, str]:
        """The headers of a request of Slack."""
        stamp = str(int(at if at is not None else time.time()))
        key = (secret or self.signing_secret).encode()
        proof = hmac.new(key, b"v0:%b:%b" % (stamp.encode(), body), hashlib.sha256).hexdigest()
        return {
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={proof}",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    @staticmethod
    def body(kind: str, payload: Json) -> tuple[str, bytes]:
        """Where a payload goes, and the bytes it goes as."""
        if kind == "slash_commands":
            return "/slack/commands", urlencode(payload).encode()
        return "/slack/interactions", urlencode({"payload": json.dumps(payload)}).encode()

    async def _request(self, kind: str, payload: Json) -> Ack:
        path, body = self.body(kind, payload)
        began = time.monotonic()
        timeout = ClientTimeout(total=_ACK_SECONDS)
        try:
            async with (
                ClientSession(timeout=timeout) as session,
                session.post(
                    self.request_url + path, data=body, headers=self.signed(body)
                ) as answer,
            ):
                raw = await answer.read()
                return Ack(
                    time.monotonic() - began, answer.status, json.loads(raw) if raw else None
                )
        except (TimeoutError, ClientError):
            return Ack(None)

    def _payload(self, kind: str, user: str, channel: str = "", ts: str = "") -> Json:
        who = self.users[user]
        payload: Json = {
            "type": kind,
            "user": {"id": user, "username": who.name, "team_id": who.team},
            "team": {"id": self.team, "domain": "lab"},
            "api_app_id": self.app,
            "trigger_id": self._trigger(user),
            "enterprise": None,
            "is_enterprise_install": False,
        }
        if channel:
            payload["channel"] = {"id": channel, "name": "ir"}
            payload["response_url"] = self._url(channel, ts, user)
        return payload

    def _trigger(self, user: str) -> str:
        name = f"{uuid.uuid4().int >> 64}.{self.team}.{uuid.uuid4().hex}"
        self.triggers[name] = (time.monotonic(), user)
        return name

    def _url(self, channel: str, ts: str, user: str) -> str:
        key = uuid.uuid4().hex
        self.urls[key] = Url(channel, ts, user)
        return f"http://127.0.0.1:{self.port}/actions/{key}"

    async def _respond(self, request: web.Request) -> web.Response:
        url = self.urls.get(request.match_info["key"])
        if url is None or time.monotonic() - url.made > _URL_SECONDS:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        if url.used >= _URL_USES:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        url.used += 1
        body = await request.json()
        if not body.get("text") and not body.get("blocks"):
            return web.json_response({"ok": False, "error": "no_text"}, status=400)
        self.responses.append({**body, "channel": url.channel, "user": url.user})
        if body.get("replace_original") and url.ts:
            self.message(url.channel, url.ts).update(
                text=body.get("text"), blocks=body.get("blocks")
            )
        return web.Response(text="ok")
