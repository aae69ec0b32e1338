"""Refusals that anybody can cause without a name, audited once a minute for each reason, with how many there were."""

from collections import Counter
from datetime import datetime, timedelta

from responder.audit import Entry, append
from responder.store import Store

_EVERY = timedelta(minutes=1)


class Refusals:
    """
    Sign-ins that were refused by *method*.

    The first of a reason is written at once; those after it are counted, and written with the next one
    that comes a minute later or more, whatever its reason. The reasons are ours: few, and no text of
    whoever is refused.
    """

    def __init__(self, store: Store, method: str, subject: str) -> None:
        self._store = store
        self._method = method
        self._subject = subject[:400]
        self._written: dict[str, datetime] = {}
        self._waiting: Counter[str] = Counter()

    async def note(self, reason: str, said: str, agent: str) -> None:
        """One more for *reason*, in which the refusal *said* something to a browser *agent*."""
        now = self._store.now()
        self._waiting[reason] += 1
        due = [
            one
            for one in self._waiting
            if (last := self._written.get(one)) is None or now - last >= _EVERY
        ]
        entries = [
            Entry(
                kind="sign-in-refused",
                actor="somebody",
                subject=self._subject,
                data={
                    "method": self._method,
                    "why": one,
                    "count": self._waiting.pop(one),
                    "last": {"said": said[:300], "agent": agent[:200]} if one == reason else None,
                },
            )
            for one in due
        ]
        self._written |= dict.fromkeys(due, now)
        if entries:
            async with self._store.transaction() as tx:
                await append(tx, now, *entries)
