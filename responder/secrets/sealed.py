"""
Secrets in sealed files: one file a secret, AES-256-GCM by a key ring, replaced as a whole.

The whole document is sealed, stages and times as well, bound to the secret's name: a file that
was changed, or put in another's place, does not open. An older copy of the same file does open:
whoever can write the folder can take a secret back to an earlier day. Use a store that keeps its
own versions (AWS Secrets Manager) where that matters.
"""

import asyncio
import base64
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pydantic import SecretBytes, TypeAdapter, ValidationError

from responder.crypto.keyring import KeyRing, write_private
from responder.errors import StateError, Unreachable
from responder.incident import Frozen
from responder.secrets.contract import (
    NotStaged,
    SecretName,
    Stage,
    Version,
    VersionId,
    undestroyable,
)

Out = TypeVar("Out")
_NAME: TypeAdapter[str] = TypeAdapter(SecretName)
_ID: TypeAdapter[str] = TypeAdapter(VersionId)


class _Kept(Frozen):
    """A version as it stands in the file; the value in base64, none once it is destroyed."""

    version: Version
    value: str | None


_DOCUMENT = TypeAdapter(list[_Kept])


class SealedSecrets:
    """A folder of sealed files. Several processes may use it: each change holds the file's lock."""

    def __init__(
        self,
        folder: Path,
        ring: Callable[[], KeyRing],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = folder
        self._ring = ring
        self._now = now

    async def put(self, secret: str, version: str, value: SecretBytes) -> bool:
        def change(kept: list[_Kept]) -> tuple[list[_Kept], bool]:
            if any(one.version.id == version for one in kept):
                return kept, False
            made = Version(id=_ID.validate_python(version), stage=Stage.PENDING, made=self._now())
            written = base64.b64encode(value.get_secret_value()).decode()
            return [*kept, _Kept(version=made, value=written)], True

        return await asyncio.to_thread(self._change, secret, change)

    async def get(self, secret: str, version: str | None = None) -> SecretBytes:
        kept = await asyncio.to_thread(self._read, secret)
        for one in kept:
            wanted = (
                one.version.stage is Stage.CURRENT if version is None else one.version.id == version
            )
            if wanted and one.value is not None:
                return SecretBytes(base64.b64decode(one.value))
        raise NotStaged(f"{secret}: {version or 'a current version'} has no value here")

    async def promote(self, secret: str, version: str) -> None:
        def change(kept: list[_Kept]) -> tuple[list[_Kept], None]:
            found = _find(kept, secret, version)
            if found.version.stage not in (Stage.PENDING, Stage.PREVIOUS, Stage.CURRENT):
                raise NotStaged(
                    f"{secret}: expected version {version} pending or previous but it is "
                    f"{found.version.stage}; nothing was changed"
                )
            return [self._staged(one, one is found) for one in kept], None

        await asyncio.to_thread(self._change, secret, change)

    async def revoke(self, secret: str, version: str) -> None:
        def change(kept: list[_Kept]) -> tuple[list[_Kept], None]:
            found = _find(kept, secret, version)
            if found.version.stage is Stage.DESTROYED:
                return kept, None
            return [
                _moved(one, Stage.REVOKED, self._now()) if one is found else one for one in kept
            ], None

        await asyncio.to_thread(self._change, secret, change)

    async def destroy(self, secret: str, version: str, *, retention: timedelta) -> None:
        def change(kept: list[_Kept]) -> tuple[list[_Kept], None]:
            found = _find(kept, secret, version)
            if why := undestroyable(found.version, retention, self._now()):
                raise NotStaged(f"{secret}: version {version} is not destroyed: {why}")
            gone = _moved(found, Stage.DESTROYED, self._now()).model_copy(update={"value": None})
            return [gone if one is found else one for one in kept], None

        await asyncio.to_thread(self._change, secret, change)

    async def versions(self, secret: str) -> tuple[Version, ...]:
        return tuple(one.version for one in await asyncio.to_thread(self._read, secret))

    def names(self) -> list[str]:
        """The names of all secrets here."""
        found = self._folder.rglob("*.sealed")
        return sorted(str(p.relative_to(self._folder)).removesuffix(".sealed") for p in found)

    def reseal(self) -> int:
        """Seal every file with the ring's active key; returns how many files there are."""
        names = self.names()
        for name in names:
            self._change(name, lambda kept: (kept, None), always=True)
        return len(names)

    def _staged(self, one: _Kept, chosen: bool) -> _Kept:
        if chosen:
            version = one.version.model_copy(update={"stage": Stage.CURRENT, "replaced": None})
            return one.model_copy(update={"version": version})
        return (
            _moved(one, Stage.PREVIOUS, self._now()) if one.version.stage is Stage.CURRENT else one
        )

    def _path(self, secret: str) -> Path:
        try:
            return self._folder / f"{_NAME.validate_python(secret)}.sealed"
        except ValidationError as error:
            raise StateError(f"{secret!r} is not the name of a secret") from error

    def _read(self, secret: str) -> list[_Kept]:
        path = self._path(secret)
        try:
            sealed = path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unreachable(f"{path}: {error.strerror}; what it holds is unknown") from error
        try:
            return _DOCUMENT.validate_json(
                self._ring().open_whole(sealed, purpose=f"secret/{secret}")
            )
        except (StateError, ValidationError) as error:
            said = error if isinstance(error, StateError) else "it does not hold versions"
            raise Unreachable(f"{path}: {said}; what it holds is unknown") from None

    def _change(
        self,
        secret: str,
        change: Callable[[list[_Kept]], tuple[list[_Kept], Out]],
        *,
        always: bool = False,
    ) -> Out:
        path = self._path(secret)
        try:
            with _locked(path):
                kept = self._read(secret)
                wanted, out = change(kept)
                if always or wanted != kept:
                    clear = json.dumps([one.model_dump(mode="json") for one in wanted]).encode()
                    write_private(path, self._ring().seal_whole(clear, purpose=f"secret/{secret}"))
                return out
        except OSError as error:
            raise Unreachable(f"{path}: {error.strerror}; nothing was changed") from error


def _find(kept: list[_Kept], secret: str, version: str) -> _Kept:
    for one in kept:
        if one.version.id == version:
            return one
    raise NotStaged(f"{secret}: there is no version {version}; nothing was changed")


def _moved(one: _Kept, stage: Stage, now: datetime) -> _Kept:
    """*one* in another stage; the moment at which it ceased to be current is kept."""
    update = {"stage": stage, "replaced": one.version.replaced or now}
    return one.model_copy(update={"version": one.version.model_copy(update=update)})


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone with *path*, among all processes of this machine."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
