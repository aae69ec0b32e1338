"""Imagined people who decide what a rehearsal asks, with second factors that are checked like anybody's."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pyotp import parse_uri
from pyotp.totp import TOTP

from responder.approval import totp
from responder.approval.service import Approvals, Verdict
from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.people.person import Directory, Person, Role
from responder.store import Store

NAMES = ("first-approver", "second-approver", "third-approver")
PEOPLE = tuple(Person(name=name, roles=(Role.OPERATOR,), teams=("security",)) for name in NAMES)
# What is said to an ask: True approves, False denies, None says nothing until it expires.
Says = Callable[[Mapping[str, Any]], bool | None]


def approves(_: Mapping[str, Any]) -> bool:
    """Approve whatever is asked."""
    return True


class Deciders:
    """The people of one rehearsal, and what they say."""

    def __init__(self, store: Store, ring: KeyRing, approvals: Approvals, says: Says) -> None:
        self.says = says
        self.thinking = timedelta(minutes=1)
        self._store = store
        self._ring = ring
        self._approvals = approvals
        self._apps: dict[str, TOTP] = {}

    async def enrol(self) -> None:
        """Give everybody an authenticator app."""
        async with self._store.transaction() as tx:
            for name in NAMES:
                made = parse_uri(await totp.enrol(tx, self._ring, name))
                assert isinstance(made, TOTP)
                self._apps[name] = made

    async def decide(
        self, ask: Mapping[str, Any], sleep: Callable[[timedelta], Awaitable[datetime]]
    ) -> str:
        """Decide one ask, each after having thought; returns its state then."""
        said = self.says(ask)
        state = "open"
        for person in PEOPLE if said is not None else ():
            await sleep(self.thinking)
            verdict = Verdict(
                approve=bool(said),
                digest=ask["digest"],
                number=ask["number"],
                code=self._apps[person.name].at(self._store.now()) if said else "",
                reason="" if said else "denied in the rehearsal",
            )
            try:
                decided = await self._approvals.decide(
                    ask["id"], person, verdict, method="rehearsal"
                )
            except Refused as refused:
                return refused.message
            state = str(decided["state"])
            if state != "open":
                break
        return state


def directory() -> Directory:
    """The imagined people, as the worker's judgement knows them."""
    return Directory(PEOPLE)
