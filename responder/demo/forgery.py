"""The chapter of lies: a signal, an approval and deliveries that are not what they claim."""

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from responder.approval.decision import Decision
from responder.crypto.signing import Signer
from responder.demo.arrival import watched
from responder.demo.cast import ACCOMPLICE, CUSTOMER, HOST, SCANNER
from responder.demo.isolation import SUMMARY, open_ask, refusal
from responder.demo.stage import Stage, settle
from responder.demo.teller import Teller
from responder.demo.world import run
from responder.embedded import binary

_OLD = timedelta(hours=1)


async def lie(stage: Stage, teller: Teller, number: str) -> None:
    """Everything here has the power of whoever holds the database or Temporal, and no key."""
    teller.chapter("Forged approvals and replayed webhooks are refused")
    ask = await open_ask(stage, teller, number)
    teller.say(f"{number} asks as well: {SUMMARY}. Nobody approves it, but somebody pretends to.")
    await _signal(stage, teller, ask)
    await _forge(stage, teller, number, ask)
    await _replay(stage, teller)


async def _signal(stage: Stage, teller: Teller, ask: dict[str, Any]) -> None:
    settings = stage.settings.temporal
    words = ("--workflow-id", ask["run"], "--name", "look", "--address", settings.target)
    status, _, said = await run(
        str(binary()), "workflow", "signal", *words, "--namespace", settings.namespace
    )
    await settle(0.5)
    found = await stage.get(f"/api/asks/{ask['id']}")
    teller.claim(
        "`temporal workflow signal` is taken, and only makes the run look: nobody has decided",
        expected=(0, "open"), found=(status, found["state"]) if not status else (status, said),
    )  # fmt: skip


async def _forge(stage: Stage, teller: Teller, number: str, ask: dict[str, Any]) -> None:
    """A perfect decision in the store itself, but for the key that signed it."""
    now = datetime.now(UTC)
    decision = Decision(
        ask=ask["id"], digest=ask["digest"], principal=stage.person, approve=True,
        method="api token", factors=("api token", "totp"), issued=now,
        expires=now + timedelta(minutes=15), nonce="0" * 32, policy=ask["plan"]["policy"],
    )  # fmt: skip
    signature = Signer(Ed25519PrivateKey.generate()).sign(decision.document)
    at = time.time_ns() // 1000
    with closing(sqlite3.connect(stage.files.store, timeout=15)) as store, store:
        store.execute(
            "INSERT INTO decisions (ask, principal, approve, document, signature) "
            "VALUES (?, ?, 1, ?, ?)",
            (ask["id"], stage.person, json.dumps(decision.document), signature),
        )
        store.execute(
            "UPDATE asks SET state = 'approved', decided = ? WHERE id = ?", (at, ask["id"])
        )
    said = await teller.until("the run reads it", lambda: refusal(stage, number, ask["step"]))
    holds = [h["summary"] for h in (await stage.incident(number))["holds"]]
    teller.claim(
        "an approval written into the database, right in all but the key that signed it:",
        expected=True, found="not signed by the approval service" in said,
    )  # fmt: skip
    teller.quote(f"refused: {said}")
    await watched(stage, teller, served=(CUSTOMER,))
    teller.claim(
        f"{HOST} is not isolated, and serves the customer",
        expected=False, found=SUMMARY in holds,
    )  # fmt: skip


async def _replay(stage: Stage, teller: Teller) -> None:
    before = await stage.get("/api/intake")
    first = stage.senders.wazuh(ACCOMPLICE)
    await stage.deliver(first)
    altered = first.model_copy(update={"body": first.body.replace(b'"level": 12', b'"level": 15')})
    scan = stage.senders.sensor(SCANNER)
    old = stage.senders.signed_by_sensor(scan.body, datetime.now(UTC) - _OLD)
    rows = []
    for what, delivery in (
        ("the same delivery again", first),
        ("one figure changed, the signature kept", altered),
        ("an hour old, with its true signature", old),
        ("signed with a key of one's own", stage.senders.signed_by_wazuh(first.body, "x" * 32)),
    ):
        answer = await stage.deliver(delivery)
        said = answer.json()
        rows.append(
            (what, str(answer.status_code), said.get("state") or said["detail"].partition(";")[0])
        )
    teller.rows(*rows)

    async def counted() -> dict[str, Any] | None:
        found: dict[str, Any] = await stage.get("/api/intake")
        return found if found["waiting"] == 0 else None

    after = await teller.until("the drain is empty", counted)
    teller.claim(
        "five deliveries, one alert: a repeat is known by its bytes, the rest is not authentic",
        expected=(["200", "401", "401", "401"], 1),
        found=([row[1] for row in rows], after["received"] - before["received"]),
    )  # fmt: skip
    parts = ("started", "merged", "dismissed", "quarantined", "waiting")
    teller.quote(f"{after['received']} received = " + " + ".join(f"{after[p]} {p}" for p in parts))
