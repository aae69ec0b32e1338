"""A container's health: `serve` says that it is ready, `worker` is connected to Temporal."""

import os
import sys
import urllib.request
from pathlib import Path

ESTABLISHED = "01"


def serve() -> bool:
    """Whether the store and Temporal answer and the reconciler has been round."""
    port = os.environ.get("RESPONDER_API__PORT", "8080")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=4) as answer:
        return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK


def worker() -> bool:
    """Whether a connection to Temporal's port stands: a worker polls without a pause."""
    port = int(os.environ.get("RESPONDER_TEMPORAL__ADDRESS", "temporal:7233").rpartition(":")[2])
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        rows = (
            [line.split() for line in table.read_text().splitlines()[1:]] if table.exists() else []
        )
        if any(
            int(row[2].rpartition(":")[2], 16) == port and row[3] == ESTABLISHED for row in rows
        ):
            return True
    return False


if __name__ == "__main__":
    try:
        well = {"serve": serve, "worker": worker}[sys.argv[1]]()
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
    sys.exit(0 if well else f"{sys.argv[1]}: no connection to Temporal")
