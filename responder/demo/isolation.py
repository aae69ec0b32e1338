"""The chapter in which a person decides: an isolation's plan, the second factor, the effect."""

from typing import Any

from rich.text import Text

from responder.demo.arrival import card, show_traffic, verified, watched
from responder.demo.cast import ATTACKER, CUSTOMER, HOST
from responder.demo.stage import Stage
from responder.demo.teller import Teller, Untrue, key, line

RESOURCE = f"filter/{HOST}"
SUMMARY = f"isolate {HOST}"
_TABLE = ("list", "table", "inet", "responder_isolation")
_TRIES = 3


async def be_asked(stage: Stage, teller: Teller, number: str, *, yes: bool) -> None:
    """The playbook asks to isolate the host; a person approves exactly that plan, or denies it."""
    teller.chapter(f"The playbook asks to isolate {HOST}; a person decides")
    ask = await open_ask(stage, teller, number)
    _show_plan(teller, ask)
    point = ask["plan"]["changes"][0]["points"][0]
    expected = (True, "open", "isolated") if stage.world else (False, None, None)
    teller.claim(
        "the plan was made by looking, and nothing is changed before somebody decides"
        if stage.world
        else f"{HOST} does not answer: its state is unknown, which is never taken for open",
        expected=expected, found=tuple(point.get(k) for k in ("known", "before", "after")),
    )  # fmt: skip
    if not await _decide(stage, teller, ask, yes=yes):
        said = await teller.until(
            "the playbook hears of it", lambda: refusal(stage, number, ask["step"])
        )
        teller.claim(f"denied: {said}", expected=True, found="denied" in said)
        return
    await stage.post(f"/api/incidents/{number}/ack")
    if stage.world:
        await _seen_isolated(stage, teller, number)
        await _ended_early(stage, teller)
    else:
        await _not_contained(stage, teller, number)


async def open_ask(stage: Stage, teller: Teller, number: str) -> dict[str, Any]:
    """The ask of an incident that waits for a person."""

    async def waits() -> dict[str, Any] | None:
        asks = (await stage.incident(number))["asks"]
        return next((dict(ask) for ask in asks if ask["state"] == "open"), None)

    return await teller.until("the playbook asks", waits)


async def refusal(stage: Stage, number: str, step: str) -> str | None:
    """Why a step of an incident was refused, once it was."""
    for one in (await stage.incident(number))["steps"]:
        if one["key"] == step and one["state"] == "refused":
            return str(one["said"])
    return None


def _show_plan(teller: Teller, ask: dict[str, Any]) -> None:
    plan, needs = ask["plan"], ask["needs"]
    rows = []
    for change in plan["changes"]:
        for point in change["points"]:
            before = str(point["before"]) if point["known"] else "unknown"
            after = str(point["after"] or "isolated")
            states = Text.assemble((before, "green"), " → ", (after, "bold red"))
            what = Text(change["summary"], style="bold")
            rows.append((what, f"at {point['point']}", states, "for 8 hours"))
    teller.rows(*rows)
    blast = plan["blast"]
    teller.quote(
        f"{ask['tier']} · needs {needs['people']} person with a second factor · "
        f"touches {blast['hosts']} host, {blast['networks']} networks · "
        f"approve by {ask['expires'][11:19]} UTC\n"
        f"plan {ask['digest'][:16]}… is what is approved; any other plan needs another approval"
    )


async def _decide(stage: Stage, teller: Teller, ask: dict[str, Any], *, yes: bool) -> bool:
    """Approve or deny through the API; returns which."""
    path = f"/api/asks/{ask['id']}/decisions"
    if not yes:
        teller.say("press a to approve, d to deny", "bold yellow")
        if await key("ad") == "d":
            await stage.post(path, approve=False, reason="the demo's person said no")
            return False
    for _ in range(_TRIES):
        code = stage.code()
        if not yes:
            teller.say(f"your authenticator shows {code}; type it and press Enter", "bold yellow")
            code = await line()
        verdict = {"approve": True, "code": code, "digest": ask["digest"]}
        answer = await stage.api.post(path, json=verdict)
        if answer.is_success:
            who = "--yes, through the same API" if yes else "you"
            teller.claim(
                f"approved by {who}, with a code that is good once; signed with Ed25519",
                expected="approved", found=answer.json()["state"],
            )  # fmt: skip
            return True
        teller.say(f"{answer.status_code}: {answer.json()['detail']}", "red")
        if yes:
            break
    raise Untrue("the second factor is accepted", "approved", "refused")


async def _seen_isolated(stage: Stage, teller: Teller, number: str) -> None:
    await teller.until(
        f"{HOST} is isolated and read back", lambda: verified(stage, number, SUMMARY)
    )

    counted = await watched(stage, teller, shut=(CUSTOMER, ATTACKER))
    await _has_status(stage, teller, number, "contained")
    teller.show(await card(stage, teller, number))
    incident = await stage.incident(number)
    held = [hold for hold in incident["holds"] if hold["ended"] is None]  # evidence is not held
    good = [hold for hold in held if hold["outcome"] == "verified"]
    met = [clock["clock"] for clock in incident["clocks"] if clock["met"]]
    teller.claim(
        "contained, by the verified receipts of both; the contain clock has stopped",
        expected=(2, True), found=(len(good), "contain" in met),
    )  # fmt: skip
    show_traffic(stage, teller, CUSTOMER, ATTACKER)
    drops = (await _isolation(stage)).count("counter packets")
    teller.claim(
        f"{HOST} talks to nobody but management: not even to the customer",
        expected=(0, 3), found=(counted[CUSTOMER.name].answered, drops),
    )  # fmt: skip
    teller.quote(_lease(await _isolation(stage)))
    teller.say("its rules drop only while that lease runs: the kernel itself would end it", "dim")


async def _ended_early(stage: Stage, teller: Teller) -> None:
    teller.say(
        "nobody got in, so its lease is ended early; what took a code takes another to let go"
    )
    ended = await stage.post("/api/leases/end", resource=RESOURCE, code=stage.code())

    counted = await watched(stage, teller, served=(CUSTOMER,), shut=(ATTACKER,))
    show_traffic(stage, teller, CUSTOMER, ATTACKER)
    teller.claim(
        "undone to what was found before, and read back: no such table; the attacker stays out",
        expected=([RESOURCE], "", 0),
        found=(ended["resources"], await _isolation(stage), counted[ATTACKER.name].answered),
    )  # fmt: skip


async def _not_contained(stage: Stage, teller: Teller, number: str) -> None:
    async def unknown() -> dict[str, Any] | None:
        for hold in (await stage.incident(number))["holds"]:
            if hold["resource"] == RESOURCE and hold["outcome"] == "unknown":
                return dict(hold)
        return None

    hold = await teller.until(f"{HOST} is tried again and again", unknown)

    await _has_status(stage, teller, number, "partly contained")
    teller.show(await card(stage, teller, number))
    said_so = Text.assemble((f"{HOST} is NOT CONTAINED: ", "bold red"), hold["said"])
    teller.mark("✗", said_so, "bold red")
    teller.claim(
        "an approval is not an effect: unknown is said as unknown, tried again and escalated",
        expected=("unknown", True), found=(hold["outcome"], bool(hold["said"])),
    )  # fmt: skip


async def _has_status(stage: Stage, teller: Teller, number: str, status: str) -> None:
    async def has() -> bool:
        return bool((await stage.incident(number))["status"] == status)

    await teller.until(f"the incident is {status}", has)


async def _isolation(stage: Stage) -> str:
    return await stage.world.nft(*_TABLE) if stage.world else ""


def _lease(table: str) -> str:
    elements = " ".join(table.partition("elements = {")[2].partition("}")[0].split())
    return f"lease: {elements.partition(',')[0]}"
