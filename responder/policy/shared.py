"""
Addresses that many people share: blocking one of them hits others than the attacker.

A content delivery network, a carrier's NAT (RFC 6598), a Tor exit or a partner's range. Which they are
is configuration: nobody can tell from the address. A block that touches one is held for less time, or
a person is asked; a partner's range is never blocked without one.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import StrEnum

from pydantic import Field, model_validator

from responder.incident import Frozen, Name, Network
from responder.policy.networks import overlap


class SharedKind(StrEnum):
    """Who shares the addresses of a list."""

    CDN = "cdn"
    CGNAT = "cgnat"
    TOR = "tor"
    PARTNER = "partner"


class Shared(Frozen):
    """A list of shared networks, and what is done when one of them would be blocked."""

    name: Name = Field(description="What the list is called: `example cdn`.")
    kind: SharedKind = Field(description="Who shares these addresses.")
    networks: tuple[Network, ...] = Field(description="The addresses or networks.")
    shorten_to: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        description="How long a block that touches them is held at most; none: a person is asked. "
        "A partner's are always asked for.",
    )

    @model_validator(mode="after")
    def _partners_are_asked_for(self) -> "Shared":
        if self.kind is SharedKind.PARTNER and self.shorten_to is not None:
            raise ValueError("a partner's networks are always asked for: shorten_to cannot be set")
        return self


def sharing(
    networks: Iterable[Network], lists: Iterable[Shared]
) -> Iterator[tuple[Network, Shared]]:
    """Which of *networks* touch which list, in any spelling and in both directions."""
    every = tuple(lists)
    for network in networks:
        for one in every:
            if any(overlap(network, held) for held in one.networks):
                yield network, one


def shortened(
    lasts: timedelta | None, networks: Iterable[Network], lists: Iterable[Shared]
) -> timedelta | None:
    """How long a change may be held that would be held for *lasts*; None is without an end."""
    ends = [one.shorten_to for _, one in sharing(networks, lists) if one.shorten_to is not None]
    return min([*ends, *([] if lasts is None else [lasts])], default=None)


def objections(
    lasts: timedelta | None, networks: Iterable[Network], lists: Iterable[Shared]
) -> Iterator[tuple[bool, str]]:
    """What is to be said of each touched list, and whether a person must be asked because of it."""
    for network, one in sharing(networks, lists):
        shared = f"{network} is shared ({one.kind}: {one.name})"
        if one.shorten_to is None:
            yield True, shared
        elif lasts is None or lasts > one.shorten_to:
            yield True, f"{shared} and would be held longer than {_hours(one.shorten_to)}"
        else:
            yield False, f"{shared}, so it is held for {_hours(lasts)} only"


def _hours(time: timedelta) -> str:
    return f"{time / timedelta(hours=1):g} h"
