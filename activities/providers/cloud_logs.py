"""
The logs of one account and region for a window: not kept, or complete in the vault.

CloudTrail's event history by LookupEvents (management events of 90 days; data events are not in it)
and VPC flow logs from their CloudWatch Logs groups by FilterLogEvents. Neither service gives a digest
of its answers: the digest called the source's is computed over the answers as they arrive.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from activities.aws import Aws
from activities.cloud_logs import ExportLogs
from activities.collecting.kept import kept
from activities.collecting.receiving import receive
from activities.forensics import Acquired
from activities.profile import Profile, Proof
from activities.streams import Ended, Failed
from responder.contract import Found
from responder.errors import Refused, Unreachable
from responder.evidence.custody import GENESIS, Chain, Entry, Touch
from responder.evidence.model import Artefact, Clock, Manifest, Missing
from responder.evidence.settings import CloudLogSource
from responder.evidence.vault import AlreadyThere, Kind, Place, Vault
from responder.evidence.verify import manifest_place

_MOST = 4 << 30  # bytes of one artefact; the rest is left, and the manifest says so
# "CloudTrail typically delivers events within an average of about 5 minutes of an API call. This time
# is not guaranteed" (CloudTrail User Guide, "How CloudTrail works").
_ON_THEIR_WAY = timedelta(minutes=15)
_NO_CLOCK = Clock(offset_ms=0, within_ms=0)

PROFILE = Profile(
    name="AWS CloudTrail and CloudWatch Logs",
    answers=("ExportLogs",),
    changes="nothing in the account that is asked; objects in the vault",
    permissions=(
        "cloudtrail:LookupEvents",
        "logs:FilterLogEvents",
        "vault in S3: as for collecting evidence",
    ),
    verified="the SHA-256 of the answers as they arrive is that of what the vault gives back; complete once the "
    "manifest is in the vault",
    undone="not: evidence is kept, and its lock ends when it was set to",
    proof=Proof.EMULATOR,
    against="moto (flow logs) and answers as CloudTrail's reference has them, into a vault in a folder",
)


class CloudLogs:
    """One account's logs of one window."""

    expires_by_itself = False

    def __init__(self, vault: Vault, aws: Aws, source: CloudLogSource, action: ExportLogs) -> None:
        self._vault = vault
        self._aws = aws
        self._source = source
        self._action = action
        self._of = {
            "case": action.incident, "host": source.cloud, "collection": action.collection
        }  # fmt: skip
        self.name = f"evidence/{action.incident}/{source.cloud}/{action.collection}"

    async def read(self) -> Found[Acquired]:
        """Whether it is complete in the vault."""
        return await kept(self._vault, **self._of)

    async def write(
        self,
        state: Acquired,
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue = None,
    ) -> None:
        """Export what is not in the vault yet. Evidence is never taken out again."""
        action = self._action
        if state is not Acquired.ACQUIRED:
            raise Refused(f"{self.name}: evidence is kept; nothing was taken out of the vault")
        if tag and tag != action.incident:
            raise Refused(
                f"{self.name}: expected the incident of the run, {tag}, but found "
                f"{action.incident}; nothing was exported"
            )
        if action.end > datetime.now(UTC):
            raise Unreachable(f"{self.name}: the window ends in the future, at {action.end}")
        try:
            await self._export(key)
        except AlreadyThere as error:
            raise Unreachable(f"{self.name}: another attempt writes it ({error})") from error

    async def _export(self, actor: str) -> None:
        chain = Chain(self._vault, **self._of)
        await asyncio.to_thread(chain.load)
        note = _Notes(chain, actor)
        await note(Touch.RESUMED if chain.entries else Touch.BEGAN, self._source.cloud)
        taken = {place.name for place in await asyncio.to_thread(self._vault.places, self._of["case"])
                 if place == self._place(place.name)}  # fmt: skip
        for name, ask in self._asked().items():
            if name in chain.acquired():
                continue
            free = await self._free_name(name, taken, chain, note)
            answers = _Answers(ask, name)
            try:
                stored = await receive(self._vault, self._place(free), answers)
            except Failed as error:
                await note(Touch.NOT_ACQUIRED, name, command=answers.line, said=str(error))
                continue
            ended = answers.ended
            assert ended is not None
            if stored.sha256 != ended.sha256:
                said = f"what came is {ended.sha256}, the vault gave back {stored.sha256}"
                await note(Touch.NOT_ACQUIRED, name, command=answers.line, said=said)
                continue
            artefact = Artefact(
                name=free, kind="cloud-logs", size=stored.size, source_sha256=ended.sha256,
                vault_sha256=stored.sha256, kept_sha256=stored.kept_sha256, version=stored.version,
                acquired=datetime.now(UTC), limit=_MOST if answers.cut else None,
                complaint=self._early(),
            )  # fmt: skip
            await note(Touch.ACQUIRED, name, command=answers.line, artefact=artefact)
        await self._complete(chain, actor)

    async def _free_name(self, name: str, taken: set[str], chain: Chain, note: "_Notes") -> str:
        """A name that is not in the vault. What is there unacknowledged is set aside, in custody."""
        aside = {e.subject for e in chain.entries if e.touch is Touch.SET_ASIDE}
        free, number = name, 1
        while free in taken:
            if free not in aside:
                said = "kept by an attempt that ended before it could say what had come"
                await note(Touch.SET_ASIDE, free, said=said)
            number += 1
            free = f"{name}~{number}"
        return free

    async def _complete(self, chain: Chain, actor: str) -> None:
        acquired = chain.acquired()
        missed = {e.subject: e.said for e in chain.entries if e.touch is Touch.NOT_ACQUIRED}
        manifest = Manifest(
            **self._of, profile="cloud-logs", actor=actor, began=chain.entries[0].at, clock=_NO_CLOCK,
            artefacts=tuple(acquired.values()), waived=(),
            missing=tuple(Missing(name=n, why=w) for n, w in missed.items() if n not in acquired),
            custody_entries=len(chain.entries), custody_head=chain.head,
        )  # fmt: skip
        text = manifest.model_dump_json(indent=1).encode() + b"\n"
        await asyncio.to_thread(self._vault.put, manifest_place(**self._of), [text])

    def _asked(self) -> dict[str, "_Ask"]:
        start, end = self._action.start, self._action.end
        asked = {}
        if self._source.cloudtrail:
            asked["cloudtrail.jsonl"] = _Ask(
                self._aws,
                "cloudtrail",
                "lookup_events",
                "Events",
                {"StartTime": start, "EndTime": end},
            )
        for group in self._source.flow_log_groups:
            window = {"startTime": _milliseconds(start), "endTime": _milliseconds(end)}
            asked[f"flow-logs/{group.strip('/').replace('/', '_')}.jsonl"] = _Ask(
                self._aws, "logs", "filter_log_events", "events", {"logGroupName": group, **window}
            )
        return asked

    def _early(self) -> str:
        if datetime.now(UTC) - self._action.end >= _ON_THEIR_WAY:
            return ""
        return "exported within 15 minutes of the window's end: the last events may not be in it"

    def _place(self, name: str) -> Place:
        return Place(**self._of, kind=Kind.ARTEFACT, name=name)


class _Notes:
    """Custody entries of one export."""

    def __init__(self, chain: Chain, actor: str) -> None:
        self._chain = chain
        self._actor = actor

    async def __call__(
        self,
        touch: Touch,
        subject: str,
        *,
        command: str = "",
        artefact: Artefact | None = None,
        said: str = "",
    ) -> None:
        entry = Entry(
            seq=1, at=datetime.now(UTC), clock=None, actor=self._actor, touch=touch, subject=subject,
            command=command, artefact=artefact, said=said[:1000], previous=GENESIS,
        )  # fmt: skip
        await asyncio.shield(asyncio.to_thread(self._chain.append, entry))


class _Ask:
    """One paged question to AWS."""

    def __init__(
        self, aws: Aws, service: str, operation: str, items: str, params: dict[str, Any]
    ) -> None:
        self._aws = aws
        self._service = service
        self._operation = operation
        self._items = items
        self._params = params

    def __str__(self) -> str:
        said = json.dumps(self._params, default=_written, sort_keys=True)
        return f"{self._aws.cloud.account} {self._aws.cloud.region} {self._service} {self._operation} {said}"

    def pages(self) -> Iterator[list[Any]]:
        """The items, page by page. Blocks."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow to import

        try:
            client = self._aws.client(self._service)
            for page in client.get_paginator(self._operation).paginate(**self._params):
                yield page.get(self._items, [])
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if code == "ResourceNotFoundException":
                raise Failed(f"{self}: {error}") from error
            raise Unreachable(f"{self}: {error}") from error
        except BotoCoreError as error:
            raise Unreachable(f"{self}: {error}") from error


class _Answers:
    """The answers to one question as lines of JSON: a transfer like any other."""

    def __init__(self, ask: _Ask, name: str) -> None:
        self._ask = ask
        self._stopped = False
        self.line = str(ask)
        self.name = name
        self.received = 0
        self.cut = False
        self.ended: Ended | None = None

    def stop(self) -> None:
        """End it after this page."""
        self._stopped = True

    def __iter__(self) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for items in self._ask.pages():
            if self._stopped:
                raise Failed("was stopped")
            lines = (json.dumps(item, default=_written, sort_keys=True) + "\n" for item in items)
            chunk = "".join(lines).encode()
            if self.received + len(chunk) > _MOST:
                self.cut = True
                break
            digest.update(chunk)
            self.received += len(chunk)
            yield chunk
        self.ended = Ended(status=0, sha256=digest.hexdigest(), complaint="")


def _written(value: Any) -> str:  # noqa: ANN401 - what boto3 made of a JSON value
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
