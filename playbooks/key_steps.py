"""Steps that playbooks about keys share: what a thief left, what is made anew, and the proof that it is used."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime

from temporalio import workflow

from activities.access_keys import (
    AccessKeyFacts,
    AccessKeyUse,
    CreateAccessKey,
    KeyUse,
    cut_over,
)
from activities.footholds import Footholds
from activities.keys import AddKeyVersion, KeyFacts, PromoteKeyVersion
from activities.ssh_keys import Mode
from responder import Playbook, Receipt
from responder.secrets.contract import version_for


def key_made(made: Receipt) -> str:
    """The id of the access key that was made; empty if none was."""
    record = made.points[0].record if made.verified else None
    return str(record["key"]) if isinstance(record, dict) else ""


def why_not(made: Receipt) -> str:
    """What kept it from being done."""
    return made.refused or "; ".join(point.said for point in made.points)


async def swept(playbook: Playbook, users: Iterable[AccessKeyFacts], since: datetime) -> None:
    """Tell people what else in the accounts would let a thief in again; nothing of it is changed."""
    for one in users:
        found = await playbook.look_up(Footholds(cloud=one.cloud, user=one.user, since=since))
        lines = found.lines()
        said = "\n".join(lines) or "No key, user, role or policy that is new or was changed."
        title = f"persistence sweep of {one.cloud}: {len(lines)} to look at"
        await playbook.announce(title, said, loud=bool(lines))


async def watched(playbook: Playbook, users: Iterable[AccessKeyFacts], shut: datetime) -> None:
    """Tell people which keys were used after they were shut out."""
    for one in users:
        uses = await playbook.look_up(AccessKeyUse(cloud=one.cloud, user=one.user))
        if late := [str(key) for key in uses if key.used is not None and key.used > shut]:
            await playbook.announce(f"used after it was shut out: {'; '.join(late)}", loud=True)


async def proved(playbook: Playbook, one: AccessKeyFacts, new: str) -> list[KeyUse]:
    """
    Wait until the *new* key is used and no other that is active; the keys as they are then.

    Empty, and people are told, where that was not so in time.
    """
    give_up = workflow.now() + one.give_up
    while True:
        keys = await playbook.look_up(AccessKeyUse(cloud=one.cloud, user=one.user))
        if cut_over(keys, [new], workflow.now() - one.quiet):
            return keys
        if workflow.now() > give_up:
            said = "; ".join(map(str, keys))
            await playbook.announce(f"{one.user} has not cut over to its new key", said, loud=True)
            return []
        await workflow.sleep(one.check, summary=f"until {one.user} uses the new key only")


async def replaced(
    playbook: Playbook, incident: str, keys: Sequence[KeyFacts], users: Sequence[AccessKeyFacts]
) -> None:
    """Make new ones at once, have them used, and wait for the proof that access keys are."""
    mode = Mode.EMERGENCY
    names = (*(k.name for k in keys), *(u.name for u in users))
    new = {name: version_for(incident, name) for name in names}
    made = await playbook.do(
        *(AddKeyVersion(key=k.name, version=new[k.name], mode=mode) for k in keys),
        *(
            CreateAccessKey(
                cloud=u.cloud, user=u.user, secret=u.name, version=new[u.name], mode=mode
            )
            for u in users
        ),
        otherwise="nothing new was made",
    )
    done = [name for name, one in zip(new, made, strict=False) if one.verified]
    left = [f"{one.summary}: {why_not(one)}" for one in made if not one.verified]
    if left:
        await playbook.announce("not replaced", "\n".join(left), loud=True)
    use = (PromoteKeyVersion(key=name, version=new[name], mode=mode) for name in done)
    if await playbook.do(*use, otherwise="what is new is not in use"):
        await playbook.announce(f"shut out and replaced: {', '.join(done)}", update=True)
        fresh = zip(users, made[len(keys) :], strict=True)
        await asyncio.gather(
            *(proved(playbook, u, key) for u, one in fresh if (key := key_made(one)))
        )
