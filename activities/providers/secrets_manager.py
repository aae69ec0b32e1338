"""
Secrets in AWS Secrets Manager, by its own stages.

`AWSCURRENT` and `AWSPENDING` are used as AWS means them (User Guide, "What's in a Secrets Manager
secret": staging labels). A version without labels is deprecated and removed by AWS at some time, so
what was replaced gets a label that says when, and keeps it for its retention. AWS gives the first
version of a secret `AWSCURRENT` whatever is asked: while it also has `AWSPENDING` it is not in use.

A version cannot be deleted by request. Destroying takes its labels: AWS then removes it in its own
time, and until then whoever may read the secret can read it by its id.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretBytes

from activities.aws import Aws, AwsError
from responder.secrets.contract import NotStaged, Stage, Version, undestroyable

_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"
_REPLACED = "responder-replaced/"
_REVOKED = "responder-revoked"  # /<version>
_GONE, _EXISTS = "ResourceNotFoundException", "ResourceExistsException"


class SecretsManager:
    """Versions of secrets in one account and region; each secret's name has a prefix there."""

    def __init__(
        self,
        aws: Aws,
        prefix: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._aws = aws
        self._prefix = prefix
        self._now = now

    async def put(self, secret: str, version: str, value: SecretBytes) -> bool:
        if version in await self._labels(secret):
            return False
        try:  # empty: made with a value, it would be in use at once
            await self._call("create_secret", Name=f"{self._prefix}{secret}")
        except AwsError as error:
            if error.code != _EXISTS:
                raise
        await self._call(
            "put_secret_value",
            SecretId=f"{self._prefix}{secret}",
            ClientRequestToken=version,
            SecretBinary=value.get_secret_value(),
            VersionStages=[_PENDING],
        )
        return True

    async def get(self, secret: str, version: str | None = None) -> SecretBytes:
        for found in await self.versions(secret):
            wanted = found.stage is Stage.CURRENT if version is None else found.id == version
            if wanted and found.stage is not Stage.DESTROYED:
                answer = await self._call(
                    "get_secret_value", SecretId=f"{self._prefix}{secret}", VersionId=found.id
                )
                return SecretBytes(answer["SecretBinary"])
        raise NotStaged(f"{secret}: {version or 'a current version'} has no value here")

    async def promote(self, secret: str, version: str) -> None:
        found = await self._found(secret, version)
        if found.stage not in (Stage.PENDING, Stage.PREVIOUS, Stage.CURRENT):
            raise NotStaged(
                f"{secret}: expected version {version} pending or previous but it is {found.stage}; "
                "nothing was changed"
            )
        labels = await self._labels(secret)
        for other, its in labels.items():
            if other != version and _CURRENT in its and _PENDING not in its:
                # Unique: two versions that were replaced in one second must not share a label.
                at = f"{self._now():%Y-%m-%dT%H:%M:%SZ}/{other}"
                await self._label(secret, f"{_REPLACED}{at}", to=other)
        holder = next((one for one, its in labels.items() if _CURRENT in its), None)
        if holder != version:
            await self._label(secret, _CURRENT, to=version, off=holder)
        for label in labels[version]:
            if label == _PENDING or label.startswith(_REPLACED):
                await self._label(secret, label, off=version)

    async def revoke(self, secret: str, version: str) -> None:
        found = await self._found(secret, version)
        if found.stage not in (Stage.REVOKED, Stage.DESTROYED):
            # A label is on one version at a time, so each version has one of its own.
            await self._label(secret, f"{_REVOKED}/{version}", to=version)

    async def destroy(self, secret: str, version: str, *, retention: timedelta) -> None:
        found = await self._found(secret, version)
        if why := undestroyable(found, retention, self._now()):
            raise NotStaged(f"{secret}: version {version} is not destroyed: {why}")
        labels = (await self._labels(secret))[version]
        if _CURRENT in labels:
            raise NotStaged(
                f"{secret}: AWS takes {_CURRENT} off version {version} only by giving it to another; "
                "promote a new one first; nothing was changed"
            )
        for label in labels:
            await self._label(secret, label, off=version)

    async def versions(self, secret: str) -> tuple[Version, ...]:
        found = [_version(row) for row in await self._rows(secret)]
        return tuple(sorted(found, key=lambda one: (one.made, one.id)))

    async def _found(self, secret: str, version: str) -> Version:
        for one in await self.versions(secret):
            if one.id == version:
                return one
        raise NotStaged(f"{secret}: there is no version {version}; nothing was changed")

    async def _labels(self, secret: str) -> dict[str, list[str]]:
        return {r["VersionId"]: list(r.get("VersionStages", ())) for r in await self._rows(secret)}

    async def _rows(self, secret: str) -> list[dict[str, Any]]:
        where = {"SecretId": f"{self._prefix}{secret}"}
        try:
            await self._call("describe_secret", **where)
        except AwsError as error:
            if error.code == _GONE:
                return []
            raise
        return await self._aws.pages(
            "secretsmanager", "list_secret_version_ids", "Versions", **where, IncludeDeprecated=True
        )

    async def _label(
        self, secret: str, label: str, *, to: str | None = None, off: str | None = None
    ) -> None:
        where = {"MoveToVersionId": to, "RemoveFromVersionId": off}
        await self._call(
            "update_secret_version_stage",
            SecretId=f"{self._prefix}{secret}",
            VersionStage=label,
            **{name: one for name, one in where.items() if one is not None},
        )

    async def _call(self, operation: str, **params: Any) -> Mapping[str, Any]:  # noqa: ANN401 - boto3's
        return await self._aws.call("secretsmanager", operation, **params)


def _version(row: Mapping[str, Any]) -> Version:
    labels = [str(label) for label in row.get("VersionStages", ())]
    replaced_at = [one.removeprefix(_REPLACED) for one in labels if one.startswith(_REPLACED)]
    times = sorted(one.partition("/")[0] for one in replaced_at)
    if not labels:
        stage = Stage.DESTROYED
    elif any(label.startswith(_REVOKED) for label in labels):
        stage = Stage.REVOKED
    elif _PENDING in labels:
        stage = Stage.PENDING
    elif _CURRENT in labels:
        stage = Stage.CURRENT
    else:
        stage = Stage.PREVIOUS
    replaced = datetime.fromisoformat(times[0]) if times and stage is not Stage.CURRENT else None
    made = row["CreatedDate"].astimezone(UTC)
    return Version(id=row["VersionId"], stage=stage, made=made, replaced=replaced)
