"""From a message to the channels it tries and the addresses it goes to."""

from collections.abc import Mapping

from responder.notify.mail import MailSender
from responder.notify.message import Message, Sender
from responder.notify.pagerduty import PagerDutySender
from responder.notify.settings import MAIL, Channel, Mail, Notify, PagerDuty, Webhook
from responder.notify.webhook import WebhookSender
from responder.people.person import Directory


def sender_of(channel: Channel) -> Sender:
    """The channel, ready to send."""
    match channel:
        case Mail():
            return MailSender(channel)
        case PagerDuty():
            return PagerDutySender(channel)
        case Webhook():
            return WebhookSender(channel)


class Routing:
    """The channels and routes of one set of settings."""

    def __init__(self, notify: Notify, mail: Mail | None, people: Directory) -> None:
        self._people = people
        self._routes = notify.routes
        channels: dict[str, Channel] = dict(notify.channels)
        if mail is not None:
            channels[MAIL] = mail
        self.senders: Mapping[str, Sender] = {n: sender_of(c) for n, c in channels.items()}

    def channels(self, message: Message) -> tuple[str, ...]:
        """The names of the channels that *message* tries, best first; mail only with an address."""
        for route in self._routes:
            if route.carries(message.audience, loud=message.loud):
                return tuple(name for name in route.channels if self._usable(name, message))
        return tuple(name for name in self.senders if self._usable(name, message))

    def addresses(self, audience: str) -> tuple[str, ...]:
        """The mail addresses of a person or of a team's active members."""
        person = self._people.find(audience)
        group = [person] if person is not None and person.active else self._people.team(audience)
        return tuple(p.email for p in group if p.email)

    def _usable(self, name: str, message: Message) -> bool:
        sender = self.senders.get(name)
        if isinstance(sender, MailSender):
            return bool(self.addresses(message.audience))
        return sender is not None
