"""How often somebody may fail to sign in: counted by the name that is given, by the address, and of all."""

import hashlib
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import ColumnElement, delete, func, insert, select

from responder.audit import Entry
from responder.errors import Refused
from responder.people.settings import Login
from responder.store import Store, Transaction
from responder.store.sessions import login_tries
from responder.verbs.telling import tell, tell_audited

_LONGEST = 200  # characters of an address
_A_MINUTE = timedelta(minutes=1)
_CALLBACK = "oidc "  # before the address of what came back from a provider: no address begins so
_OF_ONE = 64  # bits of an IPv6 address that say whose it is: RFC 6177


class TooManyTries(Refused):
    """Wait, then try again."""


async def count(store: Store, login: Login, name: str, address: str, *, known: bool) -> None:
    """
    Count one try before it is looked at, or raise `TooManyTries`.

    In a transaction of its own, so that failing does not give the try back. The last try that a
    *known* person has is told to them and to security.
    """
    now = store.now()
    row = {"person": _digest(name), "address": bucket(address), "at": now}
    async with store.transaction() as tx:
        await _forget_old(tx, login, now)
        recent = login_tries.c.at > now - login.tries_within
        by_person = await _tries(tx, recent & (login_tries.c.person == row["person"]))
        by_address = await _tries(tx, recent & (login_tries.c.address == row["address"]))
        locked = max(by_person, by_address) >= login.tries
        typed = ~login_tries.c.address.startswith(_CALLBACK)
        busy = await _busy(tx, login, typed, now)
        if not locked and not busy:
            await tx.execute(insert(login_tries).values(row))
            if known and by_person + 1 == login.tries:
                await _tell(tx, login, name, address, now)
    _must_be_free(login, locked=locked, busy=busy)


async def count_callback(store: Store, login: Login, address: str) -> None:
    """
    Count one answer of the provider's that a browser brought, or raise `TooManyTries`.

    By its address, apart from passwords: who comes back from the provider has typed none here.
    """
    now, whose = store.now(), _callbacks(address)
    async with store.transaction() as tx:
        await _forget_old(tx, login, now)
        recent = login_tries.c.at > now - login.tries_within
        locked = await _tries(tx, recent & (login_tries.c.address == whose)) >= login.tries
        busy = await _busy(tx, login, login_tries.c.address.startswith(_CALLBACK), now)
        if not locked and not busy:
            row = {"person": _digest(whose), "address": whose, "at": now}
            await tx.execute(insert(login_tries).values(row))
    _must_be_free(login, locked=locked, busy=busy)


async def forget_callbacks(store: Store, address: str) -> None:
    """Somebody at *address* signed in by the provider: the answers before it no longer count."""
    async with store.transaction() as tx:
        await tx.execute(delete(login_tries).where(login_tries.c.address == _callbacks(address)))


def bucket(address: str) -> str:
    """Whom an address is: itself in IPv4, its /64 in IPv6, where everybody has a whole one."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_LONGEST]
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is None:
            return str(ip_network((found, _OF_ONE), strict=False))
        found = found.ipv4_mapped
    return str(found)


async def forget(store: Store, name: str) -> None:
    """
    Somebody proved who they are: the tries with that name no longer count.

    What failed at the same address with other names still does: an account of one's own is no way
    to go on guessing others'.
    """
    async with store.transaction() as tx:
        await tx.execute(delete(login_tries).where(login_tries.c.person == _digest(name)))


def _must_be_free(login: Login, *, locked: bool, busy: bool) -> None:
    if locked:
        raise TooManyTries(
            f"{login.tries} sign-ins failed within {_minutes(login)}; wait as long, then try again"
        )
    if busy:
        raise TooManyTries(
            f"{login.tries_a_minute} sign-ins failed here within a minute; wait, then try again"
        )


async def _busy(tx: Transaction, login: Login, which: ColumnElement[bool], now: datetime) -> bool:
    """Whether so many of a kind failed just now; whoever floods one kind does not stop the other."""
    failed = await _tries(tx, which & (login_tries.c.at > now - _A_MINUTE))
    return failed >= login.tries_a_minute


async def _forget_old(tx: Transaction, login: Login, now: datetime) -> None:
    old = login_tries.c.at <= now - max(login.tries_within, _A_MINUTE)
    await tx.execute(delete(login_tries).where(old))


def _callbacks(address: str) -> str:
    return f"{_CALLBACK}{bucket(address)}"[:_LONGEST]


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
