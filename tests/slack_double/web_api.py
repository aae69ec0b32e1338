"""The double's Web API: each method as its page documents it, with the checks all of them share before."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.slack_double.block_kit import block_faults, characters, view_faults
from tests.slack_double.workspace import Channel, Json, Workspace

_LONGEST_TEXT, _LONGEST_BLOCKS = 40_000, 13_200
_TRIGGER_SECONDS = 3.0
_READING = {"users.info", "conversations.info", "conversations.history", "conversations.replies"}


class No(Exception):
    """Answer `ok: false`."""

    def __init__(self, error: str, status: int = 200, headers: dict[str, str] | None = None,
                 **more: Any) -> None:  # fmt: skip
        super().__init__(error)
        self.body = {"ok": False, "error": error, **more}
        self.status, self.headers = status, headers or {}


class WebApi:
    """Answers the methods that there are; `unknown_method` for the rest."""

    def __init__(self, workspace: Workspace, socket_url: Callable[[], str]) -> None:
        self._w = workspace
        self._socket_url = socket_url
        self._methods: dict[str, tuple[str, Callable[[Json], Json]]] = {
            "auth.test": ("", self._auth_test),
            "chat.postMessage": ("chat:write", self._post),
            "chat.update": ("chat:write", self._update),
            "chat.delete": ("chat:write", self._delete),
            "chat.postEphemeral": ("chat:write", self._ephemeral),
            "views.open": ("", self._open_view),
            "views.update": ("", self._update_view),
            "users.info": ("users:read", self._user),
            "conversations.info": ("channels:read", self._info),
            "conversations.history": ("channels:history", self._history),
            "conversations.replies": ("channels:history", self._replies),
        }

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One call."""
        method = request.match_info["method"]
        w = self._w
        headers = {"X-OAuth-Scopes": ",".join(w.scopes)}
        for number, (name, status, body, more) in enumerate(w.answers):
            if name == method:
                del w.answers[number]
                return web.json_response(body, status=status, headers=more)
        if w.delay:
            await asyncio.sleep(w.delay)
        try:
            token = _token(request)
            if method == "apps.connections.open":
                body = self._connect(token)
            else:
                arguments = await _arguments(request, method)
                self._authorise(token, method)
                w.calls.append((method, arguments))
                body = self._methods[method][1](arguments)
        except No as no:
            return web.json_response(no.body, status=no.status, headers=headers | no.headers)
        if method in w.lost:  # done, and the answer never arrives
            w.lost.remove(method)
            assert request.transport is not None
            request.transport.close()
        return web.json_response({"ok": True, **body}, headers=headers)

    def _authorise(self, token: str, method: str) -> None:
        w = self._w
        if method not in self._methods:
            raise No("unknown_method", req_method=method)
        if not token:
            raise No("not_authed")
        if token == w.app_token:
            raise No("not_allowed_token_type")
        if token != w.bot_token:
            raise No("invalid_auth")
        needed = self._methods[method][0]
        if needed and needed not in w.scopes:
            raise No("missing_scope", needed=needed, provided=",".join(w.scopes))

    def _connect(self, token: str) -> Json:
        w = self._w
        if not token:
            raise No("not_authed")
        if token != w.app_token:
            raise No("not_allowed_token_type" if token == w.bot_token else "invalid_auth")
        if "connections:write" not in w.app_scopes:
            raise No("missing_scope", needed="connections:write", provided="")
        return {"url": self._socket_url()}

    def _auth_test(self, _: Json) -> Json:
        return {"team_id": self._w.team, "user_id": "U0BOT", "bot_id": "B0BOT", "team": "lab",
                "user": "responder", "url": "https://lab.slack.test/"}  # fmt: skip

    def _channel(self, arguments: Json, *, writing: bool = True) -> Channel:
        found = self._w.channels.get(str(arguments.get("channel")))
        if found is None or (found.private and not found.member):
            raise No("channel_not_found")
        if writing and not found.member:
            raise No("not_in_channel")
        if writing and found.archived:
            raise No("is_archived")
        return found

    def _post(self, arguments: Json) -> Json:
        channel = self._channel(arguments)
        _content(arguments)
        thread = arguments.get("thread_ts")
        if thread is not None and thread not in channel.messages:
            raise No("thread_not_found")
        if arguments.get("reply_broadcast") and thread is None:
            raise No("invalid_arguments", response_metadata={"messages": ["no thread_ts"]})
        if not channel.take():
            raise No("ratelimited", 429, {"Retry-After": "1"})
        ts = self._w.ts()
        kept = ("text", "blocks", "thread_ts", "reply_broadcast", "metadata")
        message = {name: arguments[name] for name in kept if arguments.get(name) is not None}
        message |= {"type": "message", "ts": ts, "user": "U0BOT", "bot_id": "B0BOT",
                    "app_id": self._w.app, "edits": []}  # fmt: skip
        channel.messages[ts] = message
        return {"channel": channel.id, "ts": ts, "message": message}

    def _update(self, arguments: Json) -> Json:
        channel = self._channel(arguments)
        message = channel.messages.get(str(arguments.get("ts")))
        if message is None:
            raise No("message_not_found")
        if message.get("user") != "U0BOT":
            raise No("cant_update_message")
        _content(arguments)
        if not self._w.may_edit():
            raise No("ratelimited", 429, {"Retry-After": "1"})
        message["edits"].append({"text": message.get("text"), "at": time.monotonic()})
        message["text"] = arguments.get("text", "")
        if "blocks" in arguments:
            message["blocks"] = arguments["blocks"]
        return {"channel": channel.id, "ts": message["ts"], "text": message["text"]}

    def _delete(self, arguments: Json) -> Json:
        channel = self._channel(arguments)
        if channel.messages.pop(str(arguments.get("ts")), None) is None:
            raise No("message_not_found")
        return {"channel": channel.id, "ts": arguments["ts"]}

    def _ephemeral(self, arguments: Json) -> Json:
        channel = self._channel(arguments)
        if arguments.get("user") not in self._w.users:
            raise No("user_not_in_channel")
        _content(arguments)
        self._w.private.append(arguments | {"channel": channel.id})
        return {"message_ts": self._w.ts()}

    def _open_view(self, arguments: Json) -> Json:
        trigger = str(arguments.get("trigger_id"))
        made, user = self._w.triggers.get(trigger, (0.0, ""))
        if not user:
            raise No("invalid_trigger_id")
        if made < 0:
            raise No("exchanged_trigger_id")
        if time.monotonic() - made > _TRIGGER_SECONDS:
            raise No("expired_trigger_id")
        view = _view(arguments)
        self._w.triggers[trigger] = (-1.0, user)
        name = f"V{uuid.uuid4().hex[:12].upper()}"
        self._w.views[name] = {**view, "id": name, "user": user, "open": True}
        return {"view": {**view, "id": name}}

    def _update_view(self, arguments: Json) -> Json:
        name = str(arguments.get("view_id"))
        if name not in self._w.views or not self._w.views[name]["open"]:
            raise No("not_found")
        self._w.views[name] |= _view(arguments)
        return {"view": {**_view(arguments), "id": name}}

    def _user(self, arguments: Json) -> Json:
        user = self._w.users.get(str(arguments.get("user")))
        if user is None:
            raise No("user_not_found")
        return {"user": user.info}

    def _info(self, arguments: Json) -> Json:
        found = self._channel(arguments, writing=False)
        return {"channel": {"id": found.id, "is_member": found.member,
                            "is_private": found.private, "is_archived": found.archived}}  # fmt: skip

    def _history(self, arguments: Json) -> Json:
        return self._said(
            arguments, lambda m: "thread_ts" not in m or bool(m.get("reply_broadcast"))
        )

    def _replies(self, arguments: Json) -> Json:
        if not arguments.get("ts"):
            raise No("invalid_arguments")
        return self._said(arguments, lambda m: arguments["ts"] in (m.get("thread_ts"), m["ts"]))

    def _said(self, arguments: Json, wanted: Callable[[Json], bool]) -> Json:
        channel = self._channel(arguments)
        oldest = float(arguments.get("oldest", 0))
        found = [m for m in channel.messages.values() if float(m["ts"]) >= oldest and wanted(m)]
        if str(arguments.get("include_all_metadata")).lower() not in ("1", "true"):
            found = [{n: v for n, v in m.items() if n != "metadata"} for m in found]
        return {"messages": found[::-1][: int(arguments.get("limit", 100))], "has_more": False}


def _token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""


async def _arguments(request: web.Request, method: str) -> Json:
    found: Json = dict(request.query)
    raw = await request.read()
    if request.content_type == "application/json":
        if method in _READING:
            return found
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            raise No("invalid_json") from None
        if not isinstance(body, dict):
            raise No("json_not_object")
        return found | body
    found |= dict(await request.post())
    for name in ("blocks", "view", "metadata"):
        if isinstance(found.get(name), str):
            found[name] = json.loads(found[name])
    return found


def _content(arguments: Json) -> None:
    text, blocks = arguments.get("text"), arguments.get("blocks")
    if not text and not blocks:
        raise No("no_text")
    if len(text or "") > _LONGEST_TEXT:
        raise No("msg_too_long")
    if blocks:
        if faults := block_faults(blocks):
            messages = [f"[ERROR] {said}" for said in faults]
            raise No("invalid_blocks", errors=faults, response_metadata={"messages": messages})
        if characters(blocks) > _LONGEST_BLOCKS:
            raise No("msg_blocks_too_long")
    metadata = arguments.get("metadata")
    if metadata is not None and not (
        isinstance(metadata.get("event_type"), str)
        and isinstance(metadata.get("event_payload"), dict)
    ):
        raise No("invalid_metadata_format")


def _view(arguments: Json) -> Json:
    if faults := view_faults(arguments.get("view")):
        messages = [f"[ERROR] {said}" for said in faults]
        raise No("invalid_arguments", response_metadata={"messages": messages})
    view: Json = arguments["view"]
    return view
