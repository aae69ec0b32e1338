"""
Warrants: what a worker seals when it begins to carry something out, and asks for before it believes a row.

Whoever reaches the store without a key can write that a plan was carried out, or that a point held
something else before. A plan that was never ruled on has no warrant, so nothing holds on its strength;
and nothing is put back to a base that no worker read. `serve` has no key for it.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rfc8785
from pydantic import JsonValue

from responder.crypto.keyring import KeyRing, is_key_id, key_of
from responder.errors import StateError, Unreachable

_STEP, _BASE = "warrant/step", "warrant/base"
_BASE_COLUMNS = ("base", "base_known", "base_expires", "base_record")


class Warrants:
    """What workers seal for each other, and for themselves after a restart."""

    def __init__(self, ring: KeyRing, path: Path | None = None) -> None:
        self._ring = ring
        self._path = path

    @classmethod
    def load(cls, path: Path) -> "Warrants":
        """Those of the ring at *path*. Raises `StateError` if there is none: workers share one ring."""
        if not path.exists():
            raise StateError(
                f"{path}: expected the ring that all workers seal with, found none; nothing was started"
                "\n\nhint: copy it from another worker; `responder up` makes it where there is only one"
            )
        return cls(KeyRing.load(path), path)

    def step(self, key: str, digest: str, begun: datetime, carried: Iterable[int]) -> bytes:
        """That the step *key* was begun, and which changes of the plan *digest* were allowed then."""
        document: dict[str, JsonValue] = {
            "step": key, "digest": digest, "begun": _utc(begun), "carried": [*sorted(carried)],
        }  # fmt: skip
        return self._ring.seal_whole(rfc8785.dumps(document), purpose=_STEP)

    def carried(
        self, key: str, digest: str, begun: datetime | None, sealed: bytes | None
    ) -> frozenset[int]:
        """Which changes a worker began when it began that step; none if *sealed* is no such word."""
        document = self._opened(sealed, _STEP)
        if document is None or begun is None:
            return frozenset()
        expected = {"step": key, "digest": digest, "begun": _utc(begun)}
        carried = document.pop("carried", [])
        return frozenset(carried) if document == expected else frozenset()

    def base(self, name: str, point: str, values: Mapping[Any, Any]) -> bytes:
        """What the resource *name* held before its first hold, or that this is not known yet."""
        return self._ring.seal_whole(rfc8785.dumps(_base(name, point, values)), purpose=_BASE)

    def base_holds(self, row: Mapping[Any, Any]) -> bool:
        """Whether a worker wrote what a resource's *row* says it held before."""
        found = self._opened(row["base_seal"], _BASE)
        return found is not None and found == _plain(_base(row["name"], row["point"], row))

    def unknown(self, sealed: bytes | None) -> str:
        """
        The id of the key that *sealed* names, if this worker has no such key; else empty.

        While a ring is rotated another worker may have a key that was not given to this one yet. So the
        ring's file is read once more, and what no key here opens is left to who can open it.
        """
        key = key_of(sealed or b"")
        if not is_key_id(key) or key in self._ring.ids:
            return ""
        if self._path is not None:
            try:
                self._ring = KeyRing.load(self._path)
            except StateError:
                return key
        return "" if key in self._ring.ids else key

    def must_be_known(self, sealed: bytes | None, name: str) -> None:
        """Raise `Unreachable` where another worker may have the key that *sealed* names, and this not."""
        if key := self.unknown(sealed):
            raise Unreachable(
                f"{name}: what was there before is sealed with key {key}, which this worker does not have; "
                "give warrants.json to every worker"
            )

    def _opened(self, sealed: bytes | None, purpose: str) -> dict[str, Any] | None:
        try:
            clear = self._ring.open_whole(sealed or b"", purpose=purpose)
        except StateError:
            return None
        found: dict[str, Any] = json.loads(clear)
        return found


def _base(name: str, point: str, values: Mapping[Any, Any]) -> dict[str, Any]:
    found = {column: values[column] for column in _BASE_COLUMNS}
    expires: datetime | None = found["base_expires"]
    found["base_expires"] = _utc(expires) if expires else None
    return {"name": name, "point": point, **found}


def _plain(document: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """*document* as it reads after it was written: whole floats are integers in RFC 8785."""
    return json.loads(rfc8785.dumps(document))


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
