"""Random bytes and mutated deliveries for a stated time: `python -m tests.fuzz SECONDS [SEED]`."""

import random
import sys
import time
import traceback
from datetime import UTC, datetime

from tests.fuzz.mutations import attack, corpus

USAGE = "usage: python -m tests.fuzz SECONDS [SEED]"


def main(arguments: list[str]) -> int:
    """Fuzz until the time is over; 1 if anything but an alert error came out."""
    try:
        seconds = float(arguments[0])
        seed = int(arguments[1]) if len(arguments) > 1 else random.SystemRandom().getrandbits(32)
    except (IndexError, ValueError):
        print(USAGE, file=sys.stderr)
        return 2
    chance = random.Random(seed)
    bodies = corpus()
    now = datetime.now(UTC)
    executions = accepted = 0
    slowest = 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        try:
            accepted += attack(chance, bodies, now)
        except Exception:  # noqa: BLE001 - any of them is the finding
            traceback.print_exc()
            print(f"seed {seed}: execution {executions} raised what it must not")
            return 1
        slowest = max(slowest, time.perf_counter() - began)
        executions += 1
    print(
        f"seed {seed}: {executions} executions in {seconds:g} s, {accepted} normalised, "
        f"slowest {slowest * 1000:.0f} ms, nothing raised but alert errors"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
