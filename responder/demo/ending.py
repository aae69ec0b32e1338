"""The last chapters: a lease that ends by itself, and an audit that notices one byte."""

import sqlite3
import time
from contextlib import closing
from datetime import datetime
from typing import Any

from responder.demo.arrival import show_traffic, verified, watched
from responder.demo.cast import ATTACKER, SCANNER
from responder.demo.setting_up import LEASE_SECONDS
from responder.demo.stage import Stage, settle
from responder.demo.teller import Teller

_SUMMARY = f"block {SCANNER.address}"
_GUARD = "audit_no_UPDATE"
_LATEST = 30.0  # seconds after its time by which a lease must be undone, on a slow machine


async def let_go(stage: Stage, teller: Teller) -> None:
    """A block of some seconds ends, is undone and read back, without anybody doing anything."""
    teller.chapter(f"A lease of {LEASE_SECONDS} seconds ends and undoes itself")
    came = time.monotonic()
    stage.visitors.order(f"start {SCANNER.name}")
    await watched(stage, teller, served=(SCANNER,))
    await settle(0.8)
    await stage.deliver(stage.senders.sensor(SCANNER))

    async def held() -> dict[str, Any] | None:
        found = await stage.incident_about(SCANNER.address)
        return await verified(stage, found["id"], _SUMMARY) if found else None

    hold = await teller.until(f"{SCANNER.address} is blocked", held)
    until = datetime.fromisoformat(hold["until"])
    listed = (await stage.blocked()).get(SCANNER.address, "")
    teller.claim(
        f"{SCANNER.address} is blocked until {until:%H:%M:%S} UTC",
        expected=True,
        found=bool(listed),
    )
    teller.quote(listed)

    async def undone() -> dict[str, Any] | None:
        entries = await stage.get("/api/audit", last=100, incident=hold["incident"])
        return next((e for e in entries if e["kind"] == "undone"), None)

    entry = await teller.until(f"the lease ends at {until:%H:%M:%S} UTC", undone)
    late = (datetime.fromisoformat(entry["at"]) - until).total_seconds()

    await watched(stage, teller, served=(SCANNER,), shut=(ATTACKER,))
    show_traffic(stage, teller, SCANNER, ATTACKER, since=came)
    left = await stage.blocked()
    teller.claim(
        f"undone {late:.1f} s after its time, read back and audited; the others stay blocked",
        expected=(True, False, True),
        found=(0 <= late <= _LATEST, SCANNER.address in left, ATTACKER.address in left),
    )  # fmt: skip
    if stage.world:
        teller.say(
            "had all of this been killed, the kernel itself would have ended it 20 s later", "dim"
        )


async def be_proved(stage: Stage, teller: Teller) -> None:
    """The audit holds; one changed byte is named; put back, it holds again."""
    teller.chapter("The audit holds, and one flipped byte is found")
    whole = await _verification(stage)
    teller.claim(
        f"{whole['held']} entries hold, each linked by SHA-256 to the one before",
        expected=None, found=whole["fault"],
    )  # fmt: skip
    with closing(sqlite3.connect(stage.files.store, timeout=15, isolation_level=None)) as store:
        query = "SELECT seq, data FROM audit WHERE kind = 'intent' ORDER BY seq LIMIT 1"
        seq, text = store.execute(query).fetchone()
        last = text.index(ATTACKER.address) + len(ATTACKER.address) - 1
        flipped = f"{text[:last]}{chr(ord(text[last]) ^ 1)}{text[last + 1 :]}"
        teller.claim(
            "the database itself refuses to change an entry",
            expected="the audit is append-only", found=_change(store, seq, flipped),
        )  # fmt: skip
        guard = store.execute("SELECT sql FROM sqlite_master WHERE name = ?", (_GUARD,)).fetchone()[
            0
        ]
        store.execute(f"DROP TRIGGER {_GUARD}")
        try:
            _change(store, seq, flipped)
            teller.say(f"who owns the disk removes that guard, and flips one bit of entry {seq}:")
            teller.quote(f"…{text[last - 30 : last + 4]}…\n…{flipped[last - 30 : last + 4]}…")
            broken = await _verification(stage)
            teller.claim(
                f"`responder audit verify` names it: entry {seq} was changed after it was written",
                expected={"seq": seq, "why": "was changed after it was written"},
                found=broken["fault"],
            )  # fmt: skip
        finally:
            _change(store, seq, text)
            store.execute(guard)
    restored = await _verification(stage)
    teller.claim(
        f"put back: {restored['held']} entries hold", expected=None, found=restored["fault"]
    )


async def _verification(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = await stage.get("/api/audit/verification")
    return found


def _change(store: sqlite3.Connection, seq: int, text: str) -> str:
    """Write *text* over the data of an entry; returns what the database says against it."""
    try:
        store.execute("UPDATE audit SET data = ? WHERE seq = ?", (text, seq))
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""
