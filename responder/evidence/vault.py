"""What a vault promises: objects that are written once, read back, and never replaced."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Protocol
from urllib.parse import quote, unquote

from pydantic import field_validator

from responder.digest import Digest
from responder.errors import StateError
from responder.incident import Frozen, Name

_LONGEST_SEGMENT = 200  # bytes; file systems take 255, and a name being written is a little longer


class AlreadyThere(StateError):
    """An object of this name is kept already; nothing was written."""


class NotThere(StateError):
    """No object of this name is kept."""


class Kind(StrEnum):
    """What an object is. Custody and manifests hold no secrets and are kept in clear."""

    ARTEFACT = "artefacts"
    CUSTODY = "custody"
    MANIFEST = "manifest"


class Place(Frozen):
    """Where an object is kept. Any names will do: `path` writes them so that none leaves its folder."""

    case: Name
    host: Name
    collection: Name
    kind: Kind
    name: Name

    @field_validator("case", "host", "collection", "name")
    @classmethod
    def _not_too_long(cls, value: str) -> str:
        parts = value.split("/")
        if any(not part or len(_written(part)) > _LONGEST_SEGMENT for part in parts):
            raise ValueError(
                f"expected names of 1 to {_LONGEST_SEGMENT} bytes between slashes, found {value[:80]!r}"
            )
        return value

    @property
    def path(self) -> str:
        """Its path in the vault: `case/host/collection/kind/name`; only `name` may have slashes."""
        name = "/".join(_written(part) for part in self.name.split("/"))
        fixed = (_written(part) for part in (self.case, self.host, self.collection))
        return "/".join((*fixed, self.kind.value, name))

    @staticmethod
    def folder_of(case: str) -> str:
        """What the paths of everything in a case begin with."""
        return f"{_written(case)}/"

    @classmethod
    def at(cls, path: str) -> "Place":
        """The place that *path* names. Raises `ValueError` for a path that no place has."""
        case, host, collection, kind, *rest = path.split("/")
        name = "/".join(unquote(part) for part in rest)
        found = cls(
            case=unquote(case), host=unquote(host), collection=unquote(collection),
            kind=Kind(kind), name=name,
        )  # fmt: skip
        if found.path != path:
            raise ValueError(f"no place is written {path!r}")
        return found


class Stored(Frozen):
    """An object as the vault gives it back: every digest is of what was read, never of what was sent."""

    sha256: Digest
    size: int
    kept_sha256: Digest
    version: str


class Vault(Protocol):
    """
    Where evidence is kept. Its calls block: they are made in threads.

    Raises `AlreadyThere`, `NotThere`, `Tampered` for what was changed since, and `Unreachable` when
    the vault does not answer.
    """

    @property
    def where(self) -> str:
        """What the vault is called in messages."""
        ...

    def put(self, place: Place, chunks: Iterable[bytes]) -> Stored:
        """
        Keep what *chunks* yields, all of it or, if they raise, nothing; then read it back.

        Refuses to replace an object, whoever wrote it.
        """
        ...

    def get(self, place: Place) -> Iterator[bytes]:
        """The object's clear bytes, in chunks."""
        ...

    def examine(self, place: Place) -> Stored:
        """Read the whole object back, and say what it is."""
        ...

    def places(self, case: str | None = None) -> list[Place]:
        """The places of all objects, or those of one case, sorted by path."""
        ...


def _written(part: str) -> str:
    """One name as one segment of a path: it can be neither `.` nor `..`, nor hold a slash."""
    return re.sub(r"^\.", "%2E", quote(part, safe="-_.~"))
