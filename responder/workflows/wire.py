"""What travels between workflows, verbs and clients: one model an argument, one a result."""

from datetime import datetime, timedelta

from pydantic import Field, JsonValue

from responder.contract import Request
from responder.digest import digest_of, material
from responder.incident import Frozen, Incident
from responder.plan import Receipt

# What Temporal's list shows and filters incidents by, and each one's type there.
SEARCH_ATTRIBUTES = {
    "IncidentPriority": "Keyword",
    "IncidentCategory": "Keyword",
    "IncidentStatus": "Keyword",
    "IncidentSubject": "Keyword",
    "SlaDue": "Datetime",
    "SlaBreached": "Bool",
    "WaitingFor": "Keyword",
}


class Batch(Frozen):
    """What one `do` of a run asks for."""

    step: int = Field(ge=1)
    actions: tuple[Request, ...] = Field(min_length=1)

    @property
    def digest(self) -> str:
        """Which request this is: a step's key may never come to mean another one."""
        return digest_of(material(self))


class Done(Frozen):
    """What came of a `do`: receipts, or an ask that people have not decided yet."""

    receipts: tuple[Receipt, ...] = ()
    ask: str | None = None
    expires: datetime | None = None


class Inquiry(Frozen):
    """A lookup of a run."""

    request: Request


class Answer(Frozen):
    """What a lookup found."""

    value: JsonValue


class Announcement(Frozen):
    """Words for people; the key makes saying it twice one message."""

    number: int
    audience: str
    subject: str
    body: str = ""
    loud: bool = False
    update: bool = Field(default=False, description="Whether it is the news that people wait for.")


class Page(Frozen):
    """Somebody of a role is wanted now; the number makes asking again the same page."""

    number: int
    role: str
    subject: str
    body: str = ""
    within: timedelta = Field(gt=timedelta(0), description="How long before it is paged again.")
    times: int = Field(ge=1, le=100, description="How often before it is said to be unanswered.")


class Paged(Frozen):
    """How a page stands: taken by somebody, unanswered, or when it is paged again."""

    by: str | None = None
    unanswered: bool = False
    again: datetime | None = None


class Ending(Frozen):
    """How a run ended."""

    failed: bool = False
    said: str = ""


class RunStart(Frozen):
    """A run that should be going on: enough to start its workflow."""

    id: str
    playbook: str
    incident: Incident
    summary: str


class Standing(Frozen):
    """Where an incident stands by the store: all that its workflow goes by."""

    revision: int
    priority: int
    status: str
    category: str
    subject: str
    waiting_for: str
    sla_due: datetime | None
    sla_breached: bool
    closed: bool
    runs: tuple[RunStart, ...]
    next_strike: datetime | None
    next_strike_summary: str = ""
    board: str = ""


class IncidentStart(Frozen):
    """What an `Incident` workflow is started with; without a standing it looks for itself."""

    id: str
    standing: Standing | None = None


class LeaseStart(Frozen):
    """What a `Lease` workflow is started with."""

    resource: str
    until: datetime | None


class Lifted(Frozen):
    """What a lease found when it looked: the end of the last hold, or that all is undone."""

    until: datetime | None = None
    over: bool = False


class SignedOrder(Frozen):
    """An order of the approval service as it travels: the document and its signature."""

    document: JsonValue
    signature: str


class Nothing(Frozen):
    """An empty argument or result."""
