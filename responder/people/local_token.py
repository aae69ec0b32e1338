"""
The token by which whoever may read the state folder uses the command line without being given one.

Only where the settings name nobody: the user who runs `responder up` is then the one admin.
"""

import asyncio
from datetime import timedelta
from pathlib import Path

import structlog

from responder.crypto.keyring import write_private
from responder.people import tokens
from responder.people.token_keys import TokenKeys
from responder.store import Store

log = structlog.get_logger(__name__)
_AHEAD = timedelta(days=1)  # renewed so long before its end
_EVERY_SECONDS = 60.0


def path(state: Path) -> Path:
    """The file that holds it."""
    return state / "keys" / "local.token"


async def renew(state: Path, store: Store, keys: TokenKeys, name: str) -> bool:
    """Make a new one if the one that is kept does not count, or soon will not; whether that was so."""
    kept = path(state)
    if kept.exists():
        text = kept.read_text().strip()
        if await tokens.holder(store, keys, text, ahead=_AHEAD) == name:
            return False
    write_private(kept, (await tokens.issue(store, keys, name)).encode())
    return True


async def keep(state: Path, store: Store, keys: TokenKeys, name: str) -> None:
    """Renew it for ever: it ends after 30 days, with its key, or when somebody is signed out."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        try:
            await renew(state, store, keys, name)
        except Exception as error:  # noqa: BLE001 - the store is away; what is kept still counts
            log.warning("local_token_not_renewed", error=str(error)[:300])
