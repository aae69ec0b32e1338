"""Make the keys that are missing in one folder, and give a worker's folder those it may have."""

import sys
from pathlib import Path

from responder.crypto.keyring import write_private
from responder.keys import Keys


def main(serve: Path, worker: Path) -> None:
    """A worker that is taken over must be able to neither approve nor read a second factor."""
    own, given = Keys(serve), Keys(worker)
    own.make_missing()
    given.make_for_workers()
    for mine, theirs in (
        (own.payloads, given.payloads),
        (own.evidence, given.evidence),
        (own.marks, given.marks),
        (own.public, given.public),
    ):
        write_private(theirs, mine.read_bytes())
    names = ", ".join(sorted(path.name for path in given.folder.iterdir()))
    print(f"keys are in {own.folder}; {given.folder} has {names}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
