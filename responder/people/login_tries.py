"""How often somebody may fail to sign in: counted by the name that is given, and by the address."""

import hashlib
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select

from responder.audit import Entry
from responder.errors import Refused
from responder.people.settings import Login
from responder.store import Store, Transaction
from responder.store.sessions import login_tries
from responder.verbs.telling import tell, tell_audited

_LONGEST = 200  # characters of an address


class TooManyTries(Refused):
    """Wait, then try again."""


async def count(store: Store, login: Login, name: str, address: str, *, known: bool) -> None:
    """
    Count one try before it is looked at, or raise `TooManyTries`.

    In a transaction of its own, so that failing does not give the try back. The last try that a
    *known* person has is told to them and to security.
    """
    now = store.now()
    row = {"person": _digest(name), "address": address[:_LONGEST], "at": now}
    async with store.transaction() as tx:
        await tx.execute(delete(login_tries).where(login_tries.c.at <= now - login.tries_within))
        by_person = await _tries(tx, login_tries.c.person == row["person"])
        locked = max(by_person, await _tries(tx, login_tries.c.address == row["address"]))
        if locked < login.tries:
            await tx.execute(insert(login_tries).values(row))
            if known and by_person + 1 == login.tries:
                await _tell(tx, login, name, address, now)
    if locked >= login.tries:
        raise TooManyTries(
            f"{login.tries} sign-ins failed within {_minutes(login)}; wait as long, then try again"
        )


async def forget(store: Store, name: str) -> None:
    """
    Somebody proved who they are: the tries with that name no longer count.

    What failed at the same address with other names still does: an account of one's own is no way
    to go on guessing others'.
    """
    async with store.transaction() as tx:
        await tx.execute(delete(login_tries).where(login_tries.c.person == _digest(name)))


async def _tries(tx: Transaction, which: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(login_tries).where(which)
    return int((await tx.execute(query)).scalar_one())


async def _tell(tx: Transaction, login: Login, name: str, address: str, now: datetime) -> None:
    entry = Entry(
        kind="sign-ins-failed", actor="somebody", subject=name, data={"address": address[:_LONGEST]}
    )
    subject = f"{login.tries} sign-ins as {name} within {_minutes(login)}, the last from {address}"
    body = (
        "Unless that one succeeded, nobody signs in with that password for a while. If it was not "
        f"{name}, set another one: responder people password {name} --local"
    )
    key = f"sign-ins/{name}/{now.isoformat()}"
    if await tell_audited(
        tx, now, entry, key=key, audience="security", subject=subject, body=body, loud=True
    ):
        await tell(
            tx, now, key=f"{key}/{name}", audience=name, subject=subject, body=body, loud=True
        )


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _minutes(login: Login) -> str:
    return f"{login.tries_within.total_seconds() / 60:g} minutes"
