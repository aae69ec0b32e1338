"""
A vault in S3: objects under Object Lock in compliance mode, checked by SHA-256, never replaced.

S3 itself refuses to replace (`If-None-Match: *`), to delete or shorten (Object Lock), and what did
not arrive as it was sent (`x-amz-checksum-sha256`, for each part of a large object). A delete marker
can still hide an object: custody names the version of each, and `verify` finds it. (Amazon S3 User
Guide: "Using S3 Object Lock", "Checking object integrity", "Conditional requests".)
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from responder.errors import StateError, Unreachable
from responder.evidence.settings import InS3
from responder.evidence.vault import AlreadyThere, NotThere, Place, Stored

_PART = (
    8 << 20
)  # bytes; S3 takes 10,000 parts of 5 MiB to 5 GiB (User Guide, "Multipart upload limits")
_CHUNK = 1 << 20
_NOT_THERE = frozenset({"NoSuchKey", "NoSuchVersion", "404"})


class S3Vault:
    """A vault in a bucket; *client* gives a boto3 client, made when first needed. Its calls block."""

    def __init__(self, settings: InS3, client: Callable[[], Any]) -> None:
        self._settings = settings
        self._client = client
        self._locks = False

    @property
    def where(self) -> str:
        return f"s3 bucket {self._settings.bucket}"

    def put(self, place: Place, chunks: Iterable[bytes]) -> Stored:
        self._see_that_it_locks()
        parts = _parts(chunks)
        first = next(parts)
        second = next(parts, None)
        if second is None:
            answer = self._ask(
                place, "put_object", Body=first, ChecksumSHA256=_checksum(first), IfNoneMatch="*",
                **self._kept_as(),
            )  # fmt: skip
        else:
            answer = self._put_in_parts(place, first, second, parts)
        version = str(answer["VersionId"])
        self._see_it_locked(place, version)
        return self._examine(place, version)

    def get(self, place: Place) -> Iterator[bytes]:
        return self._read(self._ask(place, "get_object", ChecksumMode="ENABLED"), place)

    def examine(self, place: Place) -> Stored:
        return self._examine(place, None)

    def places(self, case: str | None = None) -> list[Place]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow to import

        prefix = self._settings.prefix
        within = prefix
        if case is not None:
            within += Place.folder_of(case)
        try:
            pages = self._client().get_paginator("list_objects_v2")
            keys = [
                str(item["Key"])
                for page in pages.paginate(Bucket=self._settings.bucket, Prefix=within)
                for item in page.get("Contents", ())
            ]
        except (ClientError, BotoCoreError) as error:
            raise Unreachable(f"{self.where}: its objects cannot be listed: {error}") from error
        found = (_place(key.removeprefix(prefix)) for key in keys)
        return sorted((one for one in found if one is not None), key=lambda one: one.path)

    def _put_in_parts(
        self, place: Place, first: bytes, second: bytes, rest: Iterator[bytes]
    ) -> dict[str, Any]:
        """Upload in parts; whatever goes wrong before the end, nothing is kept."""
        begun = self._ask(
            place, "create_multipart_upload", ChecksumAlgorithm="SHA256", **self._kept_as()
        )
        upload = {"UploadId": begun["UploadId"]}
        sent: list[dict[str, Any]] = []
        try:
            for number, part in enumerate(_chained(first, second, rest), 1):
                checksum = _checksum(part)
                answer = self._ask(
                    place, "upload_part", **upload, PartNumber=number, Body=part,
                    ChecksumSHA256=checksum,
                )  # fmt: skip
                sent.append(
                    {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}
                )
            return self._ask(
                place, "complete_multipart_upload", **upload, MultipartUpload={"Parts": sent},
                IfNoneMatch="*",
            )  # fmt: skip
        except BaseException:
            self._ask(place, "abort_multipart_upload", **upload)
            raise

    def _see_it_locked(self, place: Place, version: str) -> None:
        """Read the lock back; one that did not come with the object is put on it now."""
        which = {"VersionId": version}
        for last in (False, True):
            head = self._ask(place, "head_object", **which)
            held = head.get("ObjectLockLegalHoldStatus") == "ON" or not self._settings.legal_hold
            if held and head.get("ObjectLockMode") == "COMPLIANCE":
                return
            if last:
                break
            kept = self._kept_as()
            until = kept["ObjectLockRetainUntilDate"]
            retention = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
            self._ask(place, "put_object_retention", **which, Retention=retention)
            if self._settings.legal_hold:
                hold = {"Status": "ON"}
                self._ask(place, "put_object_legal_hold", **which, LegalHold=hold)
        raise StateError(
            f"{self.where}: {place.path} is kept, but without the lock that was asked for: found "
            f"{head.get('ObjectLockMode')}, legal hold {head.get('ObjectLockLegalHoldStatus')}"
        )

    def _kept_as(self) -> dict[str, Any]:
        settings = self._settings
        until = datetime.now(UTC) + timedelta(days=settings.retain_days)
        kept: dict[str, Any] = {
            "ObjectLockMode": "COMPLIANCE",
            "ObjectLockRetainUntilDate": until,
        }
        if settings.legal_hold:
            kept["ObjectLockLegalHoldStatus"] = "ON"
        if settings.kms_key:
            kept |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key}
        return kept

    def _see_that_it_locks(self) -> None:
        """Raise `StateError` for a bucket without Object Lock: evidence could be deleted there."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow to import

        if self._locks:
            return
        try:
            answer = self._client().get_object_lock_configuration(Bucket=self._settings.bucket)
            self._locks = (
                answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
            )
        except ClientError as error:
            if _code(error) != "ObjectLockConfigurationNotFoundError":
                raise Unreachable(
                    f"{self.where}: its Object Lock cannot be seen: {error}"
                ) from error
        except BotoCoreError as error:
            raise Unreachable(f"{self.where}: {error}") from error
        if not self._locks:
            raise StateError(
                f"{self.where}: expected Object Lock, which it was made without; nothing was kept"
            )

    def _examine(self, place: Place, version: str | None) -> Stored:
        which = {"VersionId": version} if version else {}
        answer = self._ask(place, "get_object", ChecksumMode="ENABLED", **which)
        digest, size = hashlib.sha256(), 0
        for chunk in self._read(answer, place):
            digest.update(chunk)
            size += len(chunk)
        found = digest.hexdigest()
        kept = str(answer.get("VersionId", ""))
        return Stored(sha256=found, size=size, kept_sha256=found, version=kept)

    def _read(self, answer: dict[str, Any], place: Place) -> Iterator[bytes]:
        from botocore.exceptions import BotoCoreError, FlexibleChecksumError  # noqa: PLC0415

        try:
            yield from answer["Body"].iter_chunks(_CHUNK)
        except FlexibleChecksumError as error:
            raise StateError(f"{self.where}: {place.path} is not what was sent: {error}") from error
        except (BotoCoreError, OSError) as error:
            raise Unreachable(f"{self.where}: {place.path}: {error}") from error
        finally:
            answer["Body"].close()

    def _ask(self, place: Place, operation: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - as AWS names them
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow to import

        where = {"Bucket": self._settings.bucket, "Key": self._settings.prefix + place.path}
        try:
            answer: dict[str, Any] = getattr(self._client(), operation)(**where, **params)
        except ClientError as error:
            if _code(error) == "PreconditionFailed":
                raise AlreadyThere(f"{place.path} is kept already; it was not replaced") from error
            if _code(error) in _NOT_THERE:
                raise NotThere(f"{self.where}: there is no {place.path}") from error
            raise Unreachable(f"{self.where}: {operation} {place.path}: {error}") from error
        except BotoCoreError as error:
            raise Unreachable(f"{self.where}: {operation} {place.path}: {error}") from error
        return answer


def _parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of *chunks* in parts of `_PART`; one part, perhaps empty, at least."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) > _PART:
            yield bytes(held[:_PART])
            del held[:_PART]
    yield bytes(held)


def _chained(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


def _checksum(part: bytes) -> str:
    return base64.b64encode(hashlib.sha256(part).digest()).decode()


def _code(error: Any) -> str:  # noqa: ANN401 - botocore's ClientError
    return str(error.response.get("Error", {}).get("Code", ""))


def _place(path: str) -> Place | None:
    try:
        return Place.at(path)
    except ValueError:
        return None
