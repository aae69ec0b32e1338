"""What every verb works with: given once, where the worker is put together."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, cast

from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from responder.approval.decision import Judgement
from responder.approval.settings import ApprovalSettings
from responder.contract import Action, Lookup, Provision, Request
from responder.crypto.signing import Verifier
from responder.digest import digest_of
from responder.errors import ActionError, Refused
from responder.policy.judge import Policy
from responder.store import Store
from responder.verbs.warrants import Warrants
from responder.workflows.playbook import Playbook

_BEAT_SECONDS = 1.0
Method = TypeVar("Method", bound=Callable[..., Any])


class Temporal(Protocol):
    """The little that verbs ask of Temporal itself."""

    async def started_by(self, workflow_id: str, run_id: str) -> str | None:
        """The workflow id of the parent that the server recorded for this run."""
        ...

    async def tell(self, workflow_id: str) -> None:
        """Say `look`; a workflow that is not there is the reconciler's to notice."""
        ...

    async def lease(self, resource: str, until: datetime | None, *, new: bool) -> None:
        """See that a `Lease` is running for *resource*, and that it looks."""
        ...


@dataclass(frozen=True)
class Kinds:
    """The actions, lookups and playbooks that this runner knows, by name."""

    actions: dict[str, type[Action[Any]]]
    lookups: dict[str, type[Lookup[Any]]]
    playbooks: dict[str, type[Playbook]]

    @classmethod
    def of(
        cls,
        actions: Iterable[type[Action[Any]]],
        lookups: Iterable[type[Lookup[Any]]],
        playbooks: Iterable[type[Playbook]],
    ) -> "Kinds":
        """The kinds of these tuples."""
        return cls(
            actions={a.__name__: a for a in actions},
            lookups={q.__name__: q for q in lookups},
            playbooks={p.__name__: p for p in playbooks},
        )

    def action(self, request: Request) -> Action[Any]:
        """The action that *request* asks for. Raises `Refused` for an unknown one or bad parameters."""
        kind = self.actions.get(request.kind)
        if kind is None:
            raise Refused(
                f"{request.kind}: no such action; known: {', '.join(sorted(self.actions))}"
            )
        try:
            return kind.model_validate(request.params)
        except ValueError as error:
            raise Refused(f"{request.kind}: {_first_fault(error)}") from error

    def lookup(self, request: Request) -> Lookup[Any]:
        """The lookup that *request* asks for."""
        kind = self.lookups.get(request.kind)
        if kind is None:
            raise Refused(
                f"{request.kind}: no such lookup; known: {', '.join(sorted(self.lookups))}"
            )
        try:
            return kind.model_validate(request.params)
        except ValueError as error:
            raise Refused(f"{request.kind}: {_first_fault(error)}") from error


def code_of(playbook: type[Playbook]) -> str:
    """SHA-256 of the source of the module that holds *playbook*: which code asks."""
    module = inspect.getmodule(playbook)
    return digest_of(inspect.getsource(module) if module else playbook.__qualname__)


@dataclass(frozen=True)
class Context:
    """The parts that verbs are made of."""

    store: Store
    kinds: Kinds
    provision: Provision
    policy: Callable[[], Policy]
    judgement: Judgement
    verifier: Verifier
    temporal: Temporal
    warrants: Warrants
    worker: str = "worker"
    patience: timedelta = timedelta(seconds=8)
    approvals: ApprovalSettings = field(default_factory=ApprovalSettings)
    confirming: dict[str, "asyncio.Task[str | None]"] = field(default_factory=dict)


def verb(name: str) -> Callable[[Method], Method]:
    """Make a method the activity *name*, whose errors tell Temporal themselves if a retry can help."""

    def wrap(method: Method) -> Method:
        @functools.wraps(method)
        async def told(self: Any, arg: Any) -> Any:  # noqa: ANN401 - typed by the method
            try:
                return await method(self, arg)
            except ActionError as error:
                raise ApplicationError(
                    error.message, type=type(error).__name__, non_retryable=not error.retryable
                ) from error

        return cast("Method", activity.defn(name=name)(told))

    return wrap


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Tell Temporal every second that this attempt lives, so that a dead worker costs seconds."""
    if not activity.in_activity() or activity.info().is_local:
        yield
        return

    async def beat() -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()


def _first_fault(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}; found {first['input']!r}"
