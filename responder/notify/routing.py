"""From a message to the channels it tries and the people and addresses it goes to."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from responder.notify.mail import MailSender
from responder.notify.message import Message, Sender, Undelivered
from responder.notify.pagerduty import PagerDutySender
from responder.notify.settings import MAIL, Channel, Chat, Mail, Notify, PagerDuty, Webhook
from responder.notify.webhook import WebhookSender
from responder.people.oncall import Override
from responder.people.person import Person
from responder.people.reach import Reach, Reached


def sender_of(channel: Channel, chat: Sender | None = None) -> Sender:
    """The channel, ready to send; *chat* is the one for Slack, of whoever keeps the cards."""
    match channel:
        case Mail():
            return MailSender(channel)
        case PagerDuty():
            return PagerDutySender(channel)
        case Webhook():
            return WebhookSender(channel)
        case Chat():
            return chat or _Unkept()


class _Unkept:
    """Slack, where nobody keeps the cards."""

    async def send(self, message: Message, addresses: Sequence[str]) -> str:
        """Not taken."""
        raise Undelivered("Slack: no process keeps the cards here")


class Routing:
    """The channels and routes of one set of settings."""

    def __init__(
        self, notify: Notify, mail: Mail | None, reach: Reach, chat: Sender | None = None
    ) -> None:
        self.reach = reach
        self._routes = notify.routes
        channels: dict[str, Channel] = dict(notify.channels)
        if mail is not None:
            channels[MAIL] = mail
        self.senders: Mapping[str, Sender] = {n: sender_of(c, chat) for n, c in channels.items()}

    def channels(self, message: Message, people: Sequence[Person]) -> tuple[str, ...]:
        """The names of the channels that *message* tries, best first; mail only with an address."""
        return tuple(
            name
            for name in self._wanted(message.audience, loud=message.loud)
            if any(self._reaches(name, person) for person in people) or not self._personal(name)
        )

    def reached(self, audience: str, at: datetime, overrides: Sequence[Override] = ()) -> Reached:
        """Who *audience* is at that moment."""
        return self.reach.of(audience, at, overrides)

    def named(self, names: Sequence[str]) -> Reached:
        """The people of these names, of whom a message is for exactly them."""
        people = (self.reach.people.find(name) for name in names)
        return Reached(people=tuple(one for one in people if one is not None and one.active))

    def reaching(self, person: Person, audience: str) -> tuple[str, ...]:
        """By which channels *person* hears what must not wait and is said to *audience*."""
        return tuple(
            name for name in self._wanted(audience, loud=True) if self._reaches(name, person)
        )

    def _wanted(self, audience: str, *, loud: bool) -> tuple[str, ...]:
        """The channels of the first route that fits, or all; only ones that there are."""
        for route in self._routes:
            if route.carries(audience, loud=loud):
                return tuple(name for name in route.channels if name in self.senders)
        return tuple(self.senders)

    def _personal(self, name: str) -> bool:
        """Whether a channel needs an address of each person; others reach whoever is behind them."""
        return isinstance(self.senders[name], MailSender)

    def _reaches(self, name: str, person: Person) -> bool:
        return bool(person.email) if self._personal(name) else True


def addresses(people: Sequence[Person]) -> tuple[str, ...]:
    """The mail addresses of *people*, of those who have one."""
    return tuple(one.email for one in people if one.email)
