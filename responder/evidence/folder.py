"""
A vault in a folder: artefacts sealed, every object written once and read back from the disk.

An object is written beside its place, brought to the disk, then linked to its name, which the file
system refuses if there is one: nothing is ever replaced, also by two writers at once. Files are
read-only; whoever is root on this machine can still change them, and `verify` finds that.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from responder.crypto.keyring import KeyRing
from responder.crypto.stream import open_stream, seal_stream
from responder.errors import StateError
from responder.evidence.vault import AlreadyThere, Kind, NotThere, Place, Stored

_CHUNK = 1 << 20  # bytes
_WRITING = ".writing"


class FolderVault:
    """A vault in a folder of this machine; *ring* is asked for only when an artefact is touched."""

    def __init__(self, root: Path, ring: Callable[[], KeyRing]) -> None:
        self._root = root
        self._ring = ring

    @property
    def where(self) -> str:
        return f"folder {self._root}"

    def put(self, place: Place, chunks: Iterable[bytes]) -> Stored:
        final = self._root / place.path
        if final.exists():
            raise _already(place)
        _make_folder(final.parent, self._root)
        writing = self._root / _WRITING
        _make_folder(writing, self._root)
        part = writing / secrets.token_hex(8)
        kept = self._sealed(place, chunks)
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
            with os.fdopen(descriptor, "wb", buffering=_CHUNK) as file:
                for chunk in kept:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            os.link(part, final)
        except FileExistsError as error:
            raise _already(place) from error
        except OSError as error:
            raise StateError(
                f"{self.where}: {place.path} could not be kept: {error}; nothing is"
            ) from error
        finally:
            with suppress(OSError):
                part.unlink()
        _sync_folder(final.parent)
        return self.examine(place)

    def get(self, place: Place) -> Iterator[bytes]:
        if place.kind is not Kind.ARTEFACT:
            yield from self._kept(place)
            return
        yield from open_stream(self._ring(), self._kept(place), purpose=_purpose(place))

    def examine(self, place: Place) -> Stored:
        kept, clear, size = hashlib.sha256(), hashlib.sha256(), 0

        def noted() -> Iterator[bytes]:
            for chunk in self._kept(place):
                kept.update(chunk)
                yield chunk

        chunks: Iterable[bytes] = noted()
        if place.kind is Kind.ARTEFACT:
            chunks = open_stream(self._ring(), chunks, purpose=_purpose(place))
        for chunk in chunks:
            clear.update(chunk)
            size += len(chunk)
        return Stored(
            sha256=clear.hexdigest(), size=size, kept_sha256=kept.hexdigest(), version="1"
        )

    def kept_sha256(self, place: Place) -> str:
        """The digest of the file as it is: needs no key."""
        digest = hashlib.sha256()
        for chunk in self._kept(place):
            digest.update(chunk)
        return digest.hexdigest()

    def places(self, case: str | None = None) -> list[Place]:
        return sorted(
            (found for found in map(self._place, self._files()) if found is not None
             and case in (None, found.case)),
            key=lambda place: place.path,
        )  # fmt: skip

    def strangers(self) -> list[str]:
        """Paths of files that the vault did not write: no place is written like that."""
        return sorted(
            path.relative_to(self._root).as_posix()
            for path in self._files()
            if self._place(path) is None
        )

    def _files(self) -> Iterator[Path]:
        for folder, folders, files in os.walk(self._root):
            if Path(folder) == self._root and _WRITING in folders:
                folders.remove(_WRITING)  # what a killed writer left is no evidence
            yield from (Path(folder) / name for name in files)

    def _place(self, path: Path) -> Place | None:
        try:
            return Place.at(path.relative_to(self._root).as_posix())
        except ValueError:
            return None

    def _sealed(self, place: Place, chunks: Iterable[bytes]) -> Iterable[bytes]:
        if place.kind is not Kind.ARTEFACT:
            return chunks
        return seal_stream(self._ring(), chunks, purpose=_purpose(place))

    def _kept(self, place: Place) -> Iterator[bytes]:
        try:
            with (self._root / place.path).open("rb") as file:
                if hasattr(os, "posix_fadvise"):  # so that the disk is read, not what we just wrote
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                while chunk := file.read(_CHUNK):
                    yield chunk
        except FileNotFoundError as error:
            raise NotThere(f"{self.where}: there is no {place.path}") from error
        except OSError as error:
            raise StateError(f"{self.where}: {place.path} cannot be read: {error}") from error


def _purpose(place: Place) -> str:
    """What an artefact is sealed for: moved to another name it does not open."""
    return f"evidence/{place.path}"


def _already(place: Place) -> AlreadyThere:
    return AlreadyThere(f"{place.path} is kept already; it was not replaced")


def _make_folder(folder: Path, root: Path) -> None:
    """Make *folder*, for this user only, and bring its name to the disk."""
    if folder.is_dir():
        return
    if folder != root:
        _make_folder(folder.parent, root)
        folder.mkdir(mode=0o700, exist_ok=True)
    else:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
