"""Each channel on a real server over a socket: what is sent, what is the receipt, what is refused."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from pydantic import SecretStr

from responder.notify.mail import MailSender
from responder.notify.message import Message, Undelivered
from responder.notify.pagerduty import PagerDutySender
from responder.notify.settings import Mail, PagerDuty, Webhook
from responder.notify.webhook import WebhookSender
from tests.notify.receivers import PASSWORD, ROUTING_KEY, SECRET, Mailbox, Receiver, http, smtp

SAID = Message(
    id=7,
    key="breach/INC-2026-0001/contain",
    incident="INC-2026-0001",
    audience="CISO",
    subject="P1 INC-2026-0001: NOT CONTAINED in time\r\nBcc: everybody@example.com",
    body="Take it: responder incidents ack INC-2026-0001",
    loud=True,
    made=datetime(2026, 11, 21, 3, 0, tzinfo=UTC),
)
PEOPLE = ("ana@example.com", "ben@example.com")


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mailbox]:
    with smtp() as found:
        trusted = tmp_path / "ca.pem"
        found.authority.cert_pem.write_to_path(str(trusted))
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        yield found


@pytest.fixture
def pager() -> Iterator[Receiver]:
    with http("pagerduty") as found:
        yield found


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with http("webhook") as found:
        yield found


def mail(box: Mailbox, password: str = PASSWORD) -> MailSender:
    return MailSender(
        Mail(
            host="localhost",
            port=box.port,
            sender="responder@example.com",
            user="responder",
            password=SecretStr(password),
        )
    )


async def test_mail_goes_over_tls_signed_in_and_carries_nobody_else_s_headers(box: Mailbox) -> None:
    receipt = await mail(box).send(SAID, PEOPLE)
    assert receipt == "<responder-7@example.com> for ana@example.com, ben@example.com"
    (envelope,) = box.taken
    assert envelope.rcpt_tos == list(PEOPLE)
    assert isinstance(envelope.content, bytes)
    read = message_from_bytes(envelope.content, policy=default)
    assert read["Subject"] == "P1 INC-2026-0001: NOT CONTAINED in time Bcc: everybody@example.com"
    assert read["Bcc"] is None
    assert read["Importance"] == "high"
    assert "responder incidents ack" in read.get_content()


@pytest.mark.parametrize("answer", ["451 try later", "550 no such mailbox", "552 full"])
async def test_a_mail_that_is_not_taken_says_what_the_server_said(
    box: Mailbox, answer: str
) -> None:
    box.answers.append(answer)
    with pytest.raises(Undelivered, match=answer.split(maxsplit=1)[0]):
        await mail(box).send(SAID, PEOPLE)
    assert (await mail(box).send(SAID, PEOPLE)).startswith("<responder-7@")


async def test_a_wrong_password_a_strange_certificate_and_a_silent_port_are_not_delivered(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Undelivered, match="SMTPAuthenticationError"):
        await mail(box, password="wrong").send(SAID, PEOPLE)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Undelivered, match="certificate"):
        await mail(box).send(SAID, PEOPLE)
    assert box.taken == []
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = Mail(host="127.0.0.1", port=closed.getsockname()[1], sender="responder@example.com")
        with pytest.raises(Undelivered, match="ConnectionRefusedError"):
            await MailSender(gone).send(SAID, PEOPLE)


async def test_a_server_without_tls_is_not_used_unless_that_is_said(box: Mailbox) -> None:
    plain = Mail(host="localhost", port=box.port, sender="responder@example.com", starttls=False)
    with pytest.raises(Undelivered, match="530"):
        await MailSender(plain).send(SAID, PEOPLE)


async def test_pagerduty_gets_one_alert_for_an_incident_and_role(pager: Receiver) -> None:
    sender = PagerDutySender(PagerDuty(routing_key=SecretStr(ROUTING_KEY), url=pager.url))
    receipts = {await sender.send(SAID.model_copy(update={"id": n}), ()) for n in range(3)}
    assert receipts == {"202 responder/INC-2026-0001/CISO"}
    other = SAID.model_copy(update={"audience": "Operations", "loud": False})
    assert await sender.send(other, ()) == "202 responder/INC-2026-0001/Operations"
    assert pager.faults == []
    assert [e["payload"]["severity"] for e in pager.taken] == ["critical"] * 3 + ["warning"]


async def test_the_longest_words_still_fit_pagerduty(pager: Receiver) -> None:
    sender = PagerDutySender(PagerDuty(routing_key=SecretStr(ROUTING_KEY), url=pager.url))
    long = SAID.model_copy(update={"subject": "x" * 10_000, "incident": "y" * 400})
    await sender.send(long, ())
    assert pager.faults == []


@pytest.mark.parametrize(
    ("status", "after", "wait"),
    [(429, "17", 17.0), (429, "soon", 60.0), (500, "", None), (400, "", None), (302, "", None)],
)
async def test_what_pagerduty_does_not_take_is_undelivered_and_its_wait_is_honoured(
    pager: Receiver, status: int, after: str, wait: float | None
) -> None:
    sender = PagerDutySender(PagerDuty(routing_key=SecretStr(ROUTING_KEY), url=pager.url))
    pager.answers.append((status, {"retry-after": after} if after else {}))
    with pytest.raises(Undelivered, match=f"answered {status}") as caught:
        await sender.send(SAID, ())
    assert caught.value.wait == wait


async def test_a_webhook_is_signed_as_standard_webhooks_says(hook: Receiver) -> None:
    sender = WebhookSender(Webhook(url=hook.url, secret=SecretStr(f"whsec_{SECRET}")))
    assert await sender.send(SAID, PEOPLE) == "202 responder-7"
    assert hook.faults == []
    assert hook.taken[0]["data"]["incident"] == "INC-2026-0001"
    assert hook.headers[0]["webhook-id"] == "responder-7"


async def test_an_unsigned_receiver_would_have_noticed(hook: Receiver) -> None:
    other = WebhookSender(Webhook(url=hook.url, secret=SecretStr("b3RoZXI=")))
    with pytest.raises(Undelivered, match="answered 400"):
        await other.send(SAID, PEOPLE)
    assert hook.faults == ["signature"]
