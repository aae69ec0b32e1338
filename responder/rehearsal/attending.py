"""Imagined people who look after an incident: they take it, come when they are paged, and close it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from responder.approval.leasing import Leasing
from responder.approval.settings import ApprovalSettings
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.errors import Missing, Refused
from responder.handling import Resolution, acknowledge, close
from responder.paging import acknowledge as come
from responder.paging import listed
from responder.people.person import Person, Role
from responder.policy.judge import Policy
from responder.rehearsal.people import PEOPLE, directory
from responder.rehearsal.rehearsal import Rehearsal

OWNER = PEOPLE[0]
_NOTICED = timedelta(minutes=2)
_LOOKS = timedelta(minutes=10)
_AFTERWARDS = timedelta(minutes=5)  # by then a lease that ended has been undone and read back


async def attend(
    rehearsal: Rehearsal, policy: Policy, numbers: Sequence[str], longest: timedelta
) -> None:
    """
    Let time pass until every run has ended and every lease is over, or *longest* has passed.

    Incidents are taken over after two minutes, pages when they are seen next, and an incident is
    closed once its playbook has ended well: one that failed stays open, with its clocks.
    """
    until = rehearsal.clock.now + longest
    leasing = Leasing(
        rehearsal.store, Signer(Ed25519PrivateKey.generate()), KeyRing.fresh(), policy, directory(),
        rehearsal.context.kinds, origin="http://localhost",
        rules=ApprovalSettings(proof_to_close=False),  # who closes is imagined, and so is their proof
    )  # fmt: skip
    await rehearsal.go_on(_NOTICED)
    for number in numbers:
        await acknowledge(rehearsal.store, number, OWNER)
    await _come(rehearsal)
    while rehearsal.clock.now < until and await _runs_open(rehearsal):
        await rehearsal.go_on(min(_LOOKS, until - rehearsal.clock.now))
        await _come(rehearsal)
    if all(run["state"] == "done" for run in await rehearsal.runs()):
        for number in numbers:
            await close(rehearsal.store, leasing, number, OWNER, Resolution.RESOLVED)
        await rehearsal.settle()
    if (left := await _leased(rehearsal, numbers)) > timedelta(0):
        await rehearsal.go_on(min(left, max(until - rehearsal.clock.now, timedelta(0))))


async def _come(rehearsal: Rehearsal) -> None:
    """Whoever is paged says so."""
    for page in await listed(rehearsal.store, everything=False):
        name = f"{page['role'].lower().replace(' ', '-')}-on-call"
        person = Person(name=name, roles=(Role.OPERATOR,), teams=(page["role"],))
        try:
            await come(rehearsal.store, page["id"], person)
        except (Missing, Refused):  # taken meanwhile
            continue
    await rehearsal.settle()


async def _runs_open(rehearsal: Rehearsal) -> bool:
    return any(run["closed"] is None for run in await rehearsal.runs())


async def _leased(rehearsal: Rehearsal, numbers: Sequence[str]) -> timedelta:
    """How long until the last lease is over."""
    ends = [
        hold["until"]
        for number in numbers
        for hold in (await rehearsal.incident(number))["holds"]
        if hold["ended"] is None and hold["until"]
    ]
    if not ends:
        return timedelta(0)
    return max(map(datetime.fromisoformat, ends)) - rehearsal.clock.now + _AFTERWARDS
