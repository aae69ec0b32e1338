"""The first chapters: the parts come up, two senders report an attack, and it is shut out."""

import time
from typing import Any

from rich.console import RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from responder.cli.card import drawn
from responder.demo.actors import Counted
from responder.demo.cast import ATTACKER, CUSTOMER, HOST, Visitor
from responder.demo.stage import Mode, Stage, settle
from responder.demo.teller import Teller, bars
from responder.embedded import VERSION

_SLOTS = 16
_ENOUGH = 6  # requests that show how somebody is treated
_STYLES = {CUSTOMER.name: "green"}


async def come_up(stage: Stage, teller: Teller, mode: Mode) -> None:
    """Start everything."""
    teller.chapter("The parts come up")
    async with teller.waiting("a network, a shop and its visitors …"):
        await stage.set_up(mode)
    stage.visitors.order(f"start {CUSTOMER.name}")
    stage.visitors.order(f"start {ATTACKER.name}")
    async with teller.waiting("Temporal, the store, the API and a worker …"):
        await stage.start_runner()
    settings, temporal = stage.settings, stage.supervisor.temporal
    feed = "" if stage.world else "; polls the feed, goes by X-Forwarded-For"
    teller.rows(
        ("Temporal", f"{VERSION}, embedded, with its web page", temporal.ui if temporal else ""),
        ("API", "webhooks, asks, audit; the only holder of the signing key", settings.api.url),
        (
            "worker",
            "carries out, leases, undoes; it has the public key",
            f"process {stage.worker_pid()}",
        ),
        ("shop", f"on {HOST}, with a login{feed}", stage.address),
        ("attacker", f"guesses {ATTACKER.pace} passwords a second", ATTACKER.address),
        ("customer", f"looks around {CUSTOMER.pace} times a second", CUSTOMER.address),
    )
    teller.say(f"Enforcement: {stage.enforcement}.", "bold")
    ready = await stage.get("/readyz")
    teller.claim(
        f"ready {teller.seconds:.1f} s after the start: {', '.join(ready)}",
        expected={"ok"}, found=set(ready.values()),
    )  # fmt: skip


async def be_told(stage: Stage, teller: Teller) -> str:
    """Two senders report the same attacker; returns the incident's number."""
    teller.chapter("Two senders report the same attacker")
    rows = []
    for delivery, proof in (
        (stage.senders.wazuh(ATTACKER), "HMAC-SHA256 of the body"),
        (stage.senders.guardduty(ATTACKER), "API key, as EventBridge sends it"),
    ):
        answer = await stage.deliver(delivery)
        state = answer.json().get("state", "")
        rows.append(
            (delivery.source, f"{len(delivery.body)} bytes", proof, f"{answer.status_code} {state}")
        )
    teller.rows(*rows)
    teller.claim(
        "202: both are proved, on disk and sealed before the senders hear of it",
        expected=["202 new", "202 new"], found=[row[3] for row in rows],
    )  # fmt: skip

    async def one() -> dict[str, Any] | None:
        found = await stage.incident_about(ATTACKER.address)
        return found if found and len(found["alerts"]) > 1 else None

    incident = await teller.until("one incident holds both alerts", one)
    teller.claim(
        f"one incident of both: {incident['id']}, {incident['priority']} by Wazuh's level 12",
        expected=("P2", 1), found=(incident["priority"], len(await stage.get("/api/incidents"))),
    )  # fmt: skip
    await _show_card(stage, teller, incident["id"])
    teller.claim(
        f"the first card {teller.seconds:.1f} s after the start; its four clocks run",
        expected=["acknowledge", "contain", "next-update", "resolve"],
        found=[c["clock"] for c in incident["clocks"] if c["started"] < c["due"]],
    )  # fmt: skip
    return str(incident["id"])


async def shut_out(stage: Stage, teller: Teller, number: str) -> None:
    """The attacker is blocked, and seen to be blocked."""
    teller.chapter("The attacker is shut out, and seen to be")
    hold = await teller.until(
        f"{ATTACKER.address} is blocked and read back",
        lambda: verified(stage, number, f"block {ATTACKER.address}"),
    )
    teller.claim(
        f"T1, one outside address for a day: policy asks nobody; verified at {hold['point']}",
        expected=("T1", "verified"), found=(hold["tier"], hold["outcome"]),
    )  # fmt: skip
    await seen_shut_out(stage, teller, ATTACKER)


async def seen_shut_out(
    stage: Stage, teller: Teller, who: Visitor, *, since: float | None = None
) -> None:
    """Requests of *who* stop, the customer's go on, and the enforcement point itself says so."""
    counted = await watched(stage, teller, served=(CUSTOMER,), shut=(who,))
    show_traffic(stage, teller, CUSTOMER, who, since=since)
    tries, answers = counted[who.name].unanswered, counted[CUSTOMER.name].answered
    teller.claim(
        f"{tries} requests of {who.address}, and no answer; {answers} answers to the customer meanwhile",
        expected=0, found=counted[who.name].answered,
    )  # fmt: skip
    listed = await stage.blocked()
    itself = "; it ends this by itself 20 s after the lease" if stage.world else ""
    teller.claim(
        f"the enforcement point, read back{itself}:", expected=True, found=who.address in listed
    )
    teller.quote(listed[who.address])


async def watched(
    stage: Stage,
    teller: Teller,
    *,
    served: tuple[Visitor, ...] = (),
    shut: tuple[Visitor, ...] = (),
) -> dict[str, Counted]:
    """
    Wait for a while in which *served* get answers and *shut* get none; returns who got how many.

    Counted in requests, not in seconds, so that a busy machine only makes it longer.
    """
    visitors = stage.visitors
    begun = {who.name: visitors.counted(who) for who in (*served, *shut)}

    async def seen() -> dict[str, Counted] | None:
        since = {
            who.name: Counted(
                *(b - a for a, b in zip(begun[who.name], visitors.counted(who), strict=True))
            )
            for who in (*served, *shut)
        }
        if any(since[who.name].answered for who in shut):
            begun.update({who.name: visitors.counted(who) for who in (*served, *shut)})
            return None
        enough = all(since[who.name].answered >= _ENOUGH for who in served) and all(
            since[who.name].unanswered >= _ENOUGH for who in shut
        )
        return since if enough else None

    what = [f"{who.name} is served" for who in served] + [f"{who.name} is not" for who in shut]
    return await teller.until(", ".join(what), seen)


async def verified(stage: Stage, number: str, summary: str) -> dict[str, Any] | None:
    """The verified hold of this name, once there is one."""
    for hold in (await stage.incident(number))["holds"]:
        if hold["summary"] == summary and hold["outcome"] == "verified":
            return dict(hold)
    return None


def show_traffic(
    stage: Stage, teller: Teller, *visitors: Visitor, since: float | None = None
) -> None:
    """Answered requests a second as bars: over the last seconds, or *since* a monotonic time."""
    span = 0.5 if since is None else max((time.monotonic() - since) / _SLOTS, 0.5)
    rows = []
    for who in visitors:
        series = stage.visitors.series(who, _SLOTS, span)
        now = Text(f"{stage.visitors.rate(who):4.1f} answers/s now")
        line = bars(series, who.pace * 1.15, _STYLES.get(who.name, "red"))
        rows.append((Text(who.name), Text(who.address, style="dim"), line, now))
    teller.rows(*rows)


async def card(stage: Stage, teller: Teller, number: str) -> RenderableType:
    """An incident's card as it is now, as wide as there is room."""
    found = drawn(await stage.incident(number))
    if isinstance(found, Panel):
        found.width = teller.console.width
    return found


async def _show_card(stage: Stage, teller: Teller, number: str) -> None:
    """The card; a person sees its clocks run for a moment."""
    if teller.live:
        with Live(console=teller.console, transient=True, auto_refresh=False) as live:
            for _ in range(10):
                live.update(await card(stage, teller, number), refresh=True)
                await settle(0.15)
    teller.show(await card(stage, teller, number))
