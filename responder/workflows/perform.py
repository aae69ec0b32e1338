"""Calling a verb from a workflow: the one place that knows about retries and timeouts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from responder.errors import ActionError
from responder.plan import Plan
from responder.workflows.wire import (
    Announcement,
    Answer,
    Batch,
    Done,
    Ending,
    Inquiry,
    LeaseStart,
    Lifted,
    Nothing,
    Page,
    Paged,
    SignedOrder,
    Standing,
)

Arg = TypeVar("Arg", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)

_ERRORS = {error.__name__: error for error in ActionError.__subclasses__()}
_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=500),
    maximum_interval=timedelta(seconds=30),
    non_retryable_error_types=[name for name, error in _ERRORS.items() if not error.retryable],
)


@dataclass(frozen=True)
class Verb(Generic[Arg, Out]):
    """A verb by name, with what it takes and gives: workflows never import what does it."""

    name: str
    takes: type[Arg]
    gives: type[Out]
    longest: timedelta
    heartbeat: timedelta | None = None


DO = Verb("do", Batch, Done, timedelta(minutes=5), heartbeat=timedelta(seconds=4))
LOOK_UP = Verb("look_up", Inquiry, Answer, timedelta(minutes=5), heartbeat=timedelta(seconds=4))
LIFT = Verb("lift", LeaseStart, Lifted, timedelta(minutes=2), heartbeat=timedelta(seconds=4))
ANNOUNCE = Verb("announce", Announcement, Nothing, timedelta(seconds=10))
PAGE = Verb("page", Page, Paged, timedelta(seconds=10))
CONTAINED = Verb("contained", Nothing, Nothing, timedelta(seconds=10))
FINISH = Verb("finish", Ending, Nothing, timedelta(seconds=10))
STAND = Verb("stand", Nothing, Standing, timedelta(seconds=10))
PREVIEW = Verb("preview", SignedOrder, Plan, timedelta(seconds=30), heartbeat=timedelta(seconds=4))


async def perform(
    verb: Verb[Arg, Out], arg: Arg, summary: str, *, longest: timedelta | None = None
) -> Out:
    """Have a worker do *verb*; it is retried until it answers or says that it never will."""
    with errors_as_raised():
        answer: Out = await workflow.execute_activity(
            verb.name,
            arg,
            result_type=verb.gives,
            summary=summary[:200],
            start_to_close_timeout=longest or verb.longest,
            heartbeat_timeout=verb.heartbeat,
            retry_policy=_RETRY,
        )
        return answer


async def perform_here(verb: Verb[Arg, Out], arg: Arg, summary: str) -> Out:
    """
    Have this worker do *verb* inside the workflow task: one event instead of six.

    For short reads and writes of the store only; a local activity is done again if its worker
    dies, so what it does is keyed and idempotent.
    """
    with errors_as_raised():
        answer: Out = await workflow.execute_local_activity(
            verb.name,
            arg,
            result_type=verb.gives,
            summary=summary[:200],
            start_to_close_timeout=verb.longest,
            retry_policy=_RETRY,
        )
        return answer


@contextmanager
def errors_as_raised() -> Iterator[None]:
    """
    Give a playbook the error that an activity raised, not Temporal's envelope around it.

    Without this, `except Drifted` in a playbook would never match: Temporal hands back an
    `ActivityError` whose cause is an `ApplicationError` that remembers only the type's name.
    """
    try:
        yield
    except ActivityError as envelope:
        match envelope.cause:
            case ApplicationError(type=kind, message=message) if kind in _ERRORS:
                raise _ERRORS[kind](message) from envelope
        raise
