"""Sending what was written for people: to the log always, by mail where it is configured."""

import asyncio
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

import structlog
from sqlalchemy import select, update

from responder.people.person import Directory
from responder.settings import Mail
from responder.store import Store
from responder.store.tables import messages

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 1.0
_BATCH = 50
_SMTP_SECONDS = 10.0
_MOST_ATTEMPTS = 100


class Outbox:
    """Sends each message until a channel took it; nothing is lost because a mail server was down."""

    def __init__(self, store: Store, people: Directory, mail: Mail | None) -> None:
        self._store = store
        self._people = people
        self._mail = mail

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                while await self.once() == _BATCH:
                    pass
            except Exception as error:  # noqa: BLE001 - the outbox must outlive any one fault
                log.error("outbox_failed", error=f"{type(error).__name__}: {error}"[:500])
            await asyncio.sleep(_EVERY_SECONDS)

    async def once(self) -> int:
        """One round; returns how many messages it tried."""
        async with self._store.reading() as tx:
            query = select(messages).where(
                messages.c.sent.is_(None), messages.c.attempts < _MOST_ATTEMPTS
            )
            rows = (await tx.execute(query.order_by(messages.c.id).limit(_BATCH))).mappings().all()
        sent: list[int] = []
        for row in rows:
            if said := await self._send(row):
                async with self._store.transaction() as tx:
                    values = {"attempts": row["attempts"] + 1, "said": said}
                    await tx.execute(
                        update(messages).where(messages.c.id == row["id"]).values(values)
                    )
            else:
                sent.append(row["id"])
        if sent:
            async with self._store.transaction() as tx:
                values = {"sent": self._store.now(), "said": ""}
                await tx.execute(update(messages).where(messages.c.id.in_(sent)).values(values))
        return len(rows)

    async def _send(self, row: Mapping[Any, Any]) -> str:
        """Send one message; returns why it was not taken, or nothing."""
        if row["attempts"] == 0:
            # The key says what it is about in ids and targets; alert text stays out of the log.
            (log.warning if row["loud"] else log.info)(
                "message", to=row["audience"], about=row["key"], incident=row["incident"]
            )
        addresses = self._addresses(row["audience"])
        if self._mail is None or not addresses:
            return ""
        try:
            await asyncio.to_thread(_mail, self._mail, addresses, row)
        except (OSError, smtplib.SMTPException) as error:
            return f"{type(error).__name__}: {error}"[:500]
        return ""

    def _addresses(self, audience: str) -> list[str]:
        person = self._people.find(audience)
        group = [person] if person is not None and person.active else self._people.team(audience)
        return [p.email for p in group if p.email]


def _mail(mail: Mail, addresses: list[str], row: Mapping[Any, Any]) -> None:
    message = EmailMessage()
    message["From"] = mail.sender
    message["To"] = ", ".join(addresses)
    message["Subject"] = " ".join(row["subject"].split())[:300]
    message["Message-ID"] = f"<responder-{row['id']}@{mail.sender.rpartition('@')[2]}>"
    message.set_content(row["body"] or row["subject"])
    with smtplib.SMTP(mail.host, mail.port, timeout=_SMTP_SECONDS) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        if mail.user:
            server.login(mail.user, mail.password.get_secret_value() if mail.password else "")
        server.send_message(message)
