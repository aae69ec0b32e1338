"""
Secrets in Azure Key Vault, their stages as tags of its versions.

Key Vault knows no stages and chooses the ids of versions, so every version has tags: the id that we
chose, when it was made current (and the how-manieth promotion that was), when it was replaced, that
it is revoked or destroyed. Current is the version that was promoted last: one request makes it so,
and there is no moment with two current versions, or none. Versions without our tag are not ours.

Whoever asks Key Vault for a secret without a version gets the newest, also a pending one.

Key Vault deletes secrets, not versions ("Delete Secret": it cannot be applied to an individual
version). Destroying disables a version: Key Vault gives its value to nobody until somebody who may
set secrets enables it again, which is then seen here as revoked.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import attrgetter

from pydantic import SecretBytes, TypeAdapter, ValidationError

from activities.azure import DELETED, DISABLED, AzureError, Held, Vault
from responder.errors import ConfigurationError, Unreachable
from responder.secrets.contract import (
    NotStaged,
    SecretName,
    Stage,
    Version,
    VersionId,
    undestroyable,
)

_VERSION = "responder-version"
_PROMOTED = "responder-promoted"  # <number>/<time>
_REPLACED = "responder-replaced"
_REVOKED = "responder-revoked"
_DESTROYED = "responder-destroyed"
_CONTENT = "application/octet-stream;base64"  # values are text there, and keys are bytes
# "Set Secret", URI parameters: the pattern of a name; 127: "About keys, secrets, and certificates".
# Lower case only, because names that differ in case only are one name there.
_NAME = re.compile(r"[a-z0-9-]{1,127}")
_NAMES, _IDS = TypeAdapter(SecretName), TypeAdapter(VersionId)

Copies = Mapping[str, list[Held]]


class KeyVault:
    """Versions of secrets in one vault; each secret's name has a prefix there."""

    def __init__(
        self,
        vault: Vault,
        prefix: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._vault = vault
        self._prefix = prefix
        self._now = now

    async def put(self, secret: str, version: str, value: SecretBytes) -> bool:
        if version in await self._copies(secret):
            return False
        text = base64.b64encode(value.get_secret_value()).decode()
        try:
            await self._vault.add(
                self._name(secret), text, content_type=_CONTENT, tags={_VERSION: version}
            )
        except AzureError as error:
            if error.code != DELETED:
                raise
            raise NotStaged(
                f"{secret}: expected a secret or none but it was deleted in the vault and can be "
                "recovered; recover or purge it there; nothing was changed"
            ) from error
        return True

    async def get(self, secret: str, version: str | None = None) -> SecretBytes:
        copies = await self._copies(secret)
        for found in self._read(secret, copies):
            wanted = found.stage is Stage.CURRENT if version is None else found.id == version
            if wanted and found.stage is not Stage.DESTROYED:
                return await self._value(secret, copies[found.id][0])
        raise NotStaged(f"{secret}: {version or 'a current version'} has no value here")

    async def promote(self, secret: str, version: str) -> None:
        copies = await self._copies(secret)
        found = self._found(secret, version, copies)
        if found.stage not in (Stage.PENDING, Stage.PREVIOUS, Stage.CURRENT):
            raise NotStaged(
                f"{secret}: expected version {version} pending or previous but it is {found.stage}; "
                "nothing was changed"
            )
        await self._date(secret, copies)
        if found.stage is not Stage.CURRENT:
            held = copies[version][0]
            last = max((_promotion(secret, one[0])[0] for one in copies.values()), default=0)
            tags = {name: said for name, said in held.tags.items() if name != _REPLACED}
            tags[_PROMOTED] = f"{last + 1}/{_written(self._now())}"
            await self._vault.update(self._name(secret), held.id, tags=tags)
            await self._date(secret, await self._copies(secret))

    async def revoke(self, secret: str, version: str) -> None:
        copies = await self._copies(secret)
        found = self._found(secret, version, copies)
        held = copies[version][0]
        if found.stage is not Stage.DESTROYED and _REVOKED not in held.tags:
            tags = {**held.tags, _REVOKED: _written(self._now())}
            await self._vault.update(self._name(secret), held.id, tags=tags)

    async def destroy(self, secret: str, version: str, *, retention: timedelta) -> None:
        copies = await self._copies(secret)
        found = self._found(secret, version, copies)
        if why := undestroyable(found, retention, self._now()):
            raise NotStaged(f"{secret}: version {version} is not destroyed: {why}")
        if found.stage is Stage.DESTROYED:
            return
        for held in copies[version]:
            tags = {**held.tags, _DESTROYED: _written(self._now())}
            await self._vault.update(self._name(secret), held.id, tags=tags, enabled=False)

    async def versions(self, secret: str) -> tuple[Version, ...]:
        return self._read(secret, await self._copies(secret))

    async def close(self) -> None:
        """Let go of every connection."""
        await self._vault.close()

    async def _copies(self, secret: str) -> Copies:
        """
        What the vault holds by our ids, oldest copy first.

        A set whose answer was lost can leave a second copy, as can two at once: the oldest counts.
        """
        copies: dict[str, list[Held]] = {}
        held = await self._vault.versions(self._name(secret))
        for one in sorted(held, key=attrgetter("created", "id")):
            if _VERSION in one.tags:
                copies.setdefault(one.tags[_VERSION], []).append(one)
        for version in copies:
            try:
                _IDS.validate_python(version)
            except ValidationError as error:
                raise _altered(secret, _VERSION, version) from error
        return copies

    def _read(self, secret: str, copies: Copies) -> tuple[Version, ...]:
        replaced = _replacements(secret, copies)
        return tuple(
            Version(
                id=version,
                stage=_stage(held, last=version not in replaced),
                made=held[0].created,
                replaced=replaced.get(version),
            )
            for version, held in copies.items()
        )

    def _found(self, secret: str, version: str, copies: Copies) -> Version:
        for one in self._read(secret, copies):
            if one.id == version:
                return one
        raise NotStaged(f"{secret}: there is no version {version}; nothing was changed")

    async def _date(self, secret: str, copies: Copies) -> None:
        """Write down when versions were replaced, before a later promotion could blur it."""
        for version, when in _replacements(secret, copies).items():
            held = copies[version][0]
            if _REPLACED not in held.tags and _DESTROYED not in held.tags:
                tags = {**held.tags, _REPLACED: _written(when)}
                await self._vault.update(self._name(secret), held.id, tags=tags)

    async def _value(self, secret: str, held: Held) -> SecretBytes:
        try:
            text = await self._vault.value(self._name(secret), held.id)
        except AzureError as error:
            if error.code != DISABLED:
                raise
            raise NotStaged(
                f"{secret}: version {held.tags[_VERSION]} has no value here: it is disabled in the vault"
            ) from error
        try:
            return SecretBytes(base64.b64decode(text, validate=True))
        except binascii.Error:
            # Without its cause: what is no base64 must not be quoted.
            said = (
                f"{secret}: version {held.tags[_VERSION]} holds no base64; what it was is unknown"
            )
            raise Unreachable(said) from None

    def _name(self, secret: str) -> str:
        if why := unfit(self._prefix, secret):
            raise ConfigurationError(why)
        return vault_name(self._prefix, secret)


def vault_name(prefix: str, secret: str) -> str:
    """What *secret* is called in the vault, where names have no `/`."""
    return prefix + secret.replace("/", "--")


def unfit(prefix: str, secret: str) -> str:
    """Why *secret* cannot be a name in a vault; empty if it can. No two names become one."""
    try:
        _NAMES.validate_python(secret)
    except ValidationError:
        return f"{secret!r} is not the name of a secret"
    if "--" in secret or not _NAME.fullmatch(vault_name(prefix, secret)):
        return (
            f"{secret}: expected a name that Key Vault can hold (a-z, 0-9, single - and /, with the "
            "prefix at most 127 characters), found another"
        )
    return ""


def _promotion(secret: str, held: Held) -> tuple[int, str]:
    """The how-manieth promotion a version had last, and when; 0 if it never was current."""
    said = held.tags.get(_PROMOTED)
    if said is None:
        return 0, ""
    number, _, when = said.partition("/")
    if not number.isdecimal() or int(number) < 1:
        raise _altered(secret, _PROMOTED, said)
    _time(secret, _PROMOTED, when)
    return int(number), when


def _replacements(secret: str, copies: Copies) -> dict[str, datetime]:
    """When each version that was current and is no longer was replaced."""
    order = sorted(
        (*_promotion(secret, held[0]), version)
        for version, held in copies.items()
        if _PROMOTED in held[0].tags
    )
    return {
        version: _time(secret, _REPLACED, copies[version][0].tags.get(_REPLACED, when))
        for (_, _, version), (_, when, _) in pairwise(order)
    }


def _stage(held: list[Held], *, last: bool) -> Stage:
    tags = held[0].tags
    if all(_DESTROYED in one.tags and not one.enabled for one in held):
        return Stage.DESTROYED
    if _REVOKED in tags or _DESTROYED in tags or not held[0].enabled:
        return Stage.REVOKED
    if _PROMOTED not in tags:
        return Stage.PENDING
    return Stage.CURRENT if last else Stage.PREVIOUS


def _written(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _time(secret: str, tag: str, said: str) -> datetime:
    try:
        return datetime.strptime(said, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise _altered(secret, tag, said) from error


def _altered(secret: str, tag: str, said: str) -> Unreachable:
    return Unreachable(
        f"{secret}: the tag {tag} was changed by somebody else, found {said!r}; what the vault holds "
        "is unknown"
    )
