"""
Which accounts no machine may disable or sign out: break-glass, our own, whoever has to approve.

Compared so that a doubt protects: letters are folded (NFKC, then case; RFC 7643 section 4.1.1 makes
`userName` case-insensitive), and a pattern without a domain matches the name in every domain.
"""

import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase
from glob import escape

from pydantic import Field

from responder.incident import Frozen, Name

# Kinds of change that keep somebody out. Others name accounts as well, and do them no such harm: an
# attacker's key is taken from an account of ours by an action of another kind.
CLOSING = ("DisableAccount", "RevokeSessions")


class ProtectedAccounts(Frozen):
    """Some accounts that must never be disabled, and what they are."""

    name: Name = Field(description="What they are, as refusals call them.")
    patterns: tuple[Name, ...] = Field(
        default=(), description="Names with `*`, `?` and `[…]` in them, as in a shell."
    )


def exactly(names: Iterable[str]) -> tuple[str, ...]:
    """Patterns that match these names, and do not take a `*` in one for more than that."""
    return tuple(dict.fromkeys(escape(name) for name in names))


def protected_account(account: str, protected: Iterable[ProtectedAccounts]) -> str:
    """Why *account* must not be touched; empty if it may be."""
    spellings = _spellings(account)
    for group in protected:
        for pattern in group.patterns:
            if any(fnmatchcase(one, _folded(pattern)) for one in spellings):
                return f"account {account} is {group.name} ({pattern}): never disabled from here"
    return ""


def _spellings(account: str) -> tuple[str, ...]:
    r"""The account as it is, and its bare name: of `CORP\ana` and of `ana@example.com` that is `ana`."""
    whole = _folded(account)
    bare = whole.rpartition("\\")[2]
    return tuple(dict.fromkeys((whole, bare, bare.partition("@")[0])))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()
