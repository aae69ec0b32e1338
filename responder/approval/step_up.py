"""Which second factor somebody proves, or that they prove none: the one question, asked the same everywhere."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from responder.approval import backup_codes, passkeys, totp
from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.store import Store

KINDS = (totp.KIND, passkeys.KIND, backup_codes.KIND)


async def step_up(
    store: Store,
    ring: KeyRing,
    origin: str,
    person_name: str,
    *,
    code: str = "",
    passkey: dict[str, Any] | None = None,
    bound_to: str,
    now: datetime,
) -> str:
    """
    The kind of the second factor that *person_name* has just proved; it is used up by that.

    A code is six digits of an authenticator app, or a backup code. A passkey's answer must be to a
    challenge that was made for exactly *bound_to*, by `passkeys.challenge_for`. Raises `Refused`
    with what did not hold, or if nothing was given.
    """
    if passkey is not None:
        await passkeys.check(store, ring, origin, person_name, passkey, bound_to, now)
        return passkeys.KIND
    if not code:
        raise Refused(
            f"{person_name}: expected a code of your authenticator app, a backup code or your passkey, "
            "found none; nothing was recorded"
        )
    if backup_codes.looks_like_one(code):
        await backup_codes.check(store, ring, person_name, code, now)
        return backup_codes.KIND
    await totp.check(store, ring, person_name, code, now)
    return totp.KIND


def for_ask(ask: Mapping[Any, Any]) -> str:
    """What a passkey's challenge is bound to when an ask is approved: the ask, and exactly its plan."""
    return f"ask/{ask['id']}/{ask['digest']}"
