"""Slack from end to end: an alert, a card, a code in a modal, packets that stop; and all of it without Slack."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from tests.e2e.conftest import on_the_lab
from tests.e2e.runner import Runner, free_ports, wazuh
from tests.lab.network import Lab
from tests.slack_double import Slack

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Mailbox:
    """A mail server on loopback, and when each mail came."""

    taken: list[tuple[float, Envelope]] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: object, session: object, envelope: Envelope
    ) -> str:
        self.taken.append((time.monotonic(), envelope))
        return "250 OK"

    def about(self, words: str) -> float | None:
        """When the first mail came with *words* in it."""
        for at, envelope in self.taken:
            mail = message_from_bytes(
                bytes(envelope.original_content or b""), policy=policy.default
            )
            if words in f"{mail['subject']} {mail.get_content()}":
                return at
        return None


@dataclass
class Desk:
    """A runner on two real firewalls, a Slack, and a mail server."""

    runner: Runner
    slack: Slack
    mail: Mailbox

    async def until(self, look: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
        async def looked() -> Any:
            return look()

        return await self.runner.until(looked, what, seconds)

    def cards(self, incident: str) -> list[dict[str, Any]]:
        return [
            m for m in self.slack.posts() if f" {incident}:" in m["text"] and "thread_ts" not in m
        ]

    async def card(self, incident: str, action: str = "approve") -> str:
        """The `ts` of an incident's card, once it has that button."""

        def there() -> str | None:
            for card in self.cards(incident):
                for block in card.get("blocks") or []:
                    if any(e.get("action_id") == action for e in block.get("elements", [])):
                        return str(card["ts"])
            return None

        return str(await self.until(there, f"a card of {incident} with {action}"))

    async def ask(self, incident: str, tier: str) -> dict[str, Any]:
        """An incident's open ask of that tier, waited for."""

        async def there() -> dict[str, Any] | None:
            asks = (await self.runner.incident(incident))["asks"]
            return next((a for a in asks if a["state"] == "open" and a["tier"] == tier), None)

        found: dict[str, Any] = await self.runner.until(there, f"{incident} to ask at {tier}")
        return found

    async def shows(self, incident: str, words: str, seconds: float = 30.0) -> None:
        """Wait until the card says so."""
        await self.until(
            lambda: [c for c in self.cards(incident) if words in str(c.get("blocks"))],
            f"the card of {incident} to say {words}", seconds,
        )  # fmt: skip

    async def modal(self, user: str) -> str:
        """The modal that was opened for somebody."""

        def there() -> str | None:
            opened = [v for v in self.slack.views.values() if v["user"] == user and v["open"]]
            return str(opened[-1]["id"]) if opened else None

        return str(await self.until(there, f"a modal for {user}", 5))


def person(name: str, **more: Any) -> dict[str, Any]:
    slack = {"team": "T0LAB", "user": f"U0{name.upper()}"}
    return {
        "name": name,
        "roles": ["operator"],
        "email": f"{name}@example.com",
        "slack": slack,
    } | more


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    mail, [port] = Mailbox(), free_ports(1)
    server = Controller(mail, hostname="127.0.0.1", port=port)
    server.start()
    async with Slack() as slack:
        settings = on_the_lab(lab) | {
            "slack": slack.settings(),
            "mail": {
                "host": "127.0.0.1",
                "port": port,
                "sender": "ir@example.com",
                "starttls": False,
            },
            "notify": {
                "channels": {"chat": {"kind": "slack"}},
                "routes": [{"channels": ["chat", "mail"]}],
            },
            "tiers": {
                "needs": {
                    "T0": {"people": 0, "stepped_up": 0},
                    "T1": {"people": 1, "stepped_up": 0},
                    "T2": {"people": 1, "stepped_up": 1},
                    "T3": {"people": 2, "stepped_up": 1},
                }
            },
            "people": [
                person("ana", teams=["Security Team", "CISO", "Operations", "Team Lead"]),
                person("ben", teams=["Security Team", "CISO", "Operations", "Team Lead"]),
                {"name": "root", "roles": ["admin"], "email": "root@example.com"},
                person("vic", roles=["viewer"]),
            ],
        }
        runner = Runner(tmp_path_factory.mktemp("slack"), settings)
        await runner.start()
        await slack.sockets.connected(30)
        yield Desk(runner, slack, mail)
        await runner.close()
    server.stop()


async def test_an_alert_is_approved_in_slack_with_a_code_and_contained(
    desk: Desk, lab: Lab
) -> None:
    runner, slack = desk.runner, desk.slack
    assert await asyncio.to_thread(lab.probe, "db", "web")
    began = time.monotonic()
    assert (await runner.post(wazuh("203.0.113.60", level=12))).status_code == 202
    incident = (await runner.about("203.0.113.60"))["id"]
    ts = await desk.card(incident)
    carded = time.monotonic() - began
    refused = await slack.click("U0VIC", "C0IR", ts, "approve")
    assert refused.good
    await desk.until(lambda: slack.responses, "vic to be told no", 5)
    assert "may not" in slack.responses[-1]["text"]

    block = await desk.ask(incident, "T1")
    assert (await slack.click("U0BEN", "C0IR", ts, "approve")).good
    isolation = await desk.ask(incident, "T2")
    assert isolation["id"] != block["id"]
    await desk.shows(incident, "Approve…")
    ack = await slack.click("U0ANA", "C0IR", ts, "approve")
    assert ack.seconds is not None
    assert ack.seconds < 0.5
    modal = await desk.modal("U0ANA")
    await slack.submit("U0ANA", modal, {"code": "000000"})
    await desk.until(
        lambda: "Not recorded" in str(slack.views[modal]), "the wrong code to be refused"
    )
    code = next(
        b["element"]["action_id"] for b in slack.views[modal]["blocks"] if b["type"] == "input"
    )
    await slack.submit("U0ANA", modal, {code: await runner.fresh_code("ana")})
    decided = time.monotonic() - began
    await runner.status(incident, "contained")
    contained = time.monotonic() - began
    assert not await asyncio.to_thread(lab.probe, "db", "web")
    await desk.shows(incident, "Contained")
    shown = time.monotonic() - began
    assert len(desk.cards(incident)) == 1
    assert all(one.good for one in slack.acks)
    decided_in = runner.rows(
        "SELECT document FROM decisions JOIN asks ON asks.id = decisions.ask WHERE asks.incident = ?",
        incident,
    )
    assert ['"slack"' in one["document"] for one in decided_in] == [True, True]
    print(
        f"\nalert to card {carded:.1f} s, to decision {decided:.1f} s, to verified containment "
        f"{contained:.1f} s, to the card saying so {shown:.1f} s"
    )


async def test_a_hundred_clicks_at_once_are_one_decision(desk: Desk) -> None:
    runner, slack = desk.runner, desk.slack
    await runner.post(wazuh("203.0.113.61", level=7))
    incident = (await runner.about("203.0.113.61"))["id"]
    ts = await desk.card(incident)
    acks = await asyncio.gather(
        *(slack.click(("U0ANA", "U0BEN")[n % 2], "C0IR", ts, "approve") for n in range(100))
    )
    assert all(ack.good for ack in acks)
    print(f"\nslowest of 100 acknowledgements: {max(a.seconds or 9.0 for a in acks):.3f} s")
    await runner.status(incident, "contained")
    found = runner.rows(
        "SELECT principal FROM decisions JOIN asks ON asks.id = decisions.ask WHERE asks.incident = ?",
        incident,
    )
    assert len(found) == 1
    before = len(slack.responses)
    message = slack.message("C0IR", ts)
    message["blocks"] = message["blocks"] + [
        {"type": "actions", "elements": [{"type": "button", "action_id": "approve", "value": "x",
                                          "text": {"type": "plain_text", "text": "forged"}}]}
    ]  # fmt: skip
    await slack.click("U0ANA", "C0IR", ts, "approve", value="f" * 32)
    await desk.until(
        lambda: "not of this card" in str(slack.responses[before:]),
        "the forged button to be refused",
    )


async def _approve(runner: Runner, ask: dict[str, Any], by: str, *more: str) -> None:
    """Approve from the command line."""
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "responder", "approvals", "approve", ask["id"],
        "--plan", ask["digest"][:12], *more,
        env=runner.environment | {"RESPONDER_TOKEN": runner.tokens[by]},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await made.communicate())[0].decode()
    assert made.returncode == 0, said


async def test_without_slack_the_ask_is_mailed_and_approved_from_the_command_line(
    desk: Desk, lab: Lab
) -> None:
    runner, slack = desk.runner, desk.slack
    await slack.stop()
    began = time.monotonic()
    await runner.post(wazuh("203.0.113.62", level=12))
    incident = (await runner.about("203.0.113.62"))["id"]
    block = await desk.ask(incident, "T1")
    mailed = await desk.until(
        lambda: desk.mail.about(f"approvals show {block['id']}"), "a mail", 60
    )
    assert mailed - began < 60
    await _approve(runner, block, "ben")
    isolation = await desk.ask(incident, "T2")
    await _approve(runner, isolation, "ben", "--code", await runner.fresh_code("ben"))
    approved = time.monotonic() - began
    assert approved < 60
    await runner.status(incident, "contained")
    assert not await asyncio.to_thread(lab.probe, "db", "web")
    print(
        f"\nSlack killed: mailed after {mailed - began:.1f} s, approved by CLI after {approved:.1f} s"
    )

    assert desk.cards(incident) == []
    await slack.start()
    await desk.until(lambda: desk.cards(incident), "the card, once Slack is back", 60)
    await slack.sockets.connected(30)
    await asyncio.sleep(3)
    [card] = desk.cards(incident)
    assert "Contained" in str(card["blocks"])
    assert (await slack.command("U0ANA", "status")).good
    await desk.until(lambda: incident in str(slack.responses[-1]), "the commands to work again")
