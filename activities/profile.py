"""What a provider says of itself: shown before a change, and printed in the reference."""

from enum import StrEnum

from pydantic import Field

from responder.incident import Frozen


class Proof(StrEnum):
    """What a provider's tests talk to."""

    REAL = "the real thing, in the lab"
    EMULATOR = "an emulator over HTTP; never against the vendor's own service"
    TRANSCRIPT = "commands and answers as its manual has them; never against a live one"


class Profile(Frozen):
    """One provider: what it changes, what it needs, and how it is verified and undone."""

    name: str = Field(description="The provider, as people call it.")
    answers: tuple[str, ...] = Field(min_length=1, description="The actions it carries out.")
    changes: str = Field(description="What it changes at the enforcement point.")
    permissions: tuple[str, ...] = Field(description="What its account must be allowed there.")
    verified: str = Field(description="How it is read back.")
    undone: str = Field(description="How it is undone, and who ends it if all of ours is dead.")
    proof: Proof = Field(description="What it was tested against.")
    against: str = Field(description="What that is in particular, and what it cannot show.")
