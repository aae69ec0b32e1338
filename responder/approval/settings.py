"""How people are asked, and what one of them may do alone, as settings."""

from datetime import timedelta

from pydantic import Field

from responder.incident import Frozen
from responder.people.permissions import RoleName
from responder.people.person import Person, Role


class BreakGlass(Frozen):
    """What one person may do where a quorum cannot be had in time."""

    allowed: bool = Field(
        default=True, description="Whether one person may break the glass at all."
    )
    roles: tuple[RoleName, ...] = Field(
        default=(Role.OPERATOR, Role.ADMIN), description="Who may; they must be active."
    )
    page: str = Field(default="CISO", description="The team that is paged at once.")
    page_again: timedelta = Field(
        default=timedelta(minutes=5), gt=timedelta(0), description="Until it is paged again."
    )
    pages: int = Field(
        default=3, ge=1, le=100, description="How often before it is said to be unanswered."
    )
    review_within: timedelta = Field(
        default=timedelta(hours=24),
        gt=timedelta(0),
        description="Until somebody else must have reviewed it.",
    )

    def may(self, person: Person) -> bool:
        """Whether *person* is of a role that may."""
        return self.allowed and person.active and any(role in self.roles for role in person.roles)


class ApprovalSettings(Frozen):
    """How often one person is asked, and what is noticed about how they answer."""

    most_asks: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Asks that reach one approver within `most_asks_within`.",
    )
    most_asks_within: timedelta = Field(
        default=timedelta(minutes=15),
        gt=timedelta(0),
        description="The time in which they are counted; one more goes to others, then is escalated.",
    )
    rubber_stamp: timedelta = Field(
        default=timedelta(seconds=3),
        ge=timedelta(0),
        description="A decision sooner than this after the ask came before somebody is counted as unread.",
    )
    most_edits: int = Field(
        default=5, ge=0, le=100, description="How often one plan may be edited and asked for anew."
    )
    vouched_for: timedelta = Field(
        default=timedelta(hours=24),
        ge=timedelta(0),
        description="How long whoever used an enrolment ticket counts as one person with who gave it, "
        "where both approve the same ask.",
    )
    proof_to_resume: bool = Field(
        default=True,
        description="Whether going on after a pause of everything takes a second factor. Pausing never does.",
    )
    proof_to_close: bool = Field(
        default=True,
        description="Whether closing as resolved takes a second factor of who has one, while the incident "
        "holds something whose tier takes one. A false positive always is as heavy as what it undoes.",
    )
    break_glass: BreakGlass = Field(
        default=BreakGlass(), description="What one person may do where a quorum cannot be had."
    )
