"""Mail by SMTP (RFC 5321), over TLS by STARTTLS (RFC 3207) unless that is switched off."""

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage

from responder.notify.message import Message, Undelivered
from responder.notify.settings import Mail

_SECONDS = 10.0
_LONGEST_SUBJECT = 300


class MailSender:
    """One SMTP server."""

    def __init__(self, settings: Mail) -> None:
        self._settings = settings

    async def send(self, message: Message, addresses: Sequence[str]) -> str:
        """Mail it; the receipt is its Message-ID, by which mail servers know it again."""
        if not addresses:
            raise Undelivered(f"{message.audience} has no mail address")
        try:
            return await asyncio.to_thread(self._send, message, addresses)
        except (OSError, smtplib.SMTPException) as error:
            said = f"{self._settings.host}:{self._settings.port}: {type(error).__name__}: {error}"
            raise Undelivered(said[:500]) from error

    def _send(self, message: Message, addresses: Sequence[str]) -> str:
        settings = self._settings
        mail = EmailMessage()
        mail["From"] = settings.sender
        mail["To"] = ", ".join(addresses)
        mail["Subject"] = " ".join(message.subject.split())[:_LONGEST_SUBJECT]
        mail["Message-ID"] = f"<responder-{message.id}@{settings.sender.rpartition('@')[2]}>"
        if message.incident:
            mail["References"] = f"<{message.incident}@{settings.sender.rpartition('@')[2]}>"
        if message.loud:
            mail["Importance"] = "high"
        mail.set_content(message.body or message.subject)
        with smtplib.SMTP(settings.host, settings.port, timeout=_SECONDS) as server:
            if settings.starttls:
                server.starttls(context=ssl.create_default_context())
            if settings.user:
                secret = settings.password.get_secret_value() if settings.password else ""
                server.login(settings.user, secret)
            refused = server.send_message(mail)
        taken = [address for address in addresses if address not in refused]
        said = f"{mail['Message-ID']} for {', '.join(taken)}"
        return said + (f"; refused for {', '.join(refused)}" if refused else "")
