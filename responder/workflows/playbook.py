"""The thin layer over Temporal that every playbook stands on."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from responder.contract import Action, Lookup, Request
from responder.errors import Drifted, Refused, Unverified
from responder.incident import Incident, Priority
from responder.plan import Receipt
from responder.workflows.misuse import check
from responder.workflows.perform import (
    ANNOUNCE,
    CONTAINED,
    DO,
    FINISH,
    LOOK_UP,
    PAGE,
    perform,
    perform_here,
)
from responder.workflows.refusing import RefusesUpdates, leave_dynamic_updates_to
from responder.workflows.waves import surprise, waves
from responder.workflows.wire import Announcement, Batch, Done, Ending, Inquiry, Nothing, Page

Result = TypeVar("Result")
Run = Callable[[Any, Incident], Awaitable[None]]

MOST = 200  # actions of one batch: each is some events of the run's history, of which Temporal keeps 51,200


class Playbook(RefusesUpdates):
    """
    Base class of every playbook: an ordinary Temporal workflow with four more words.

    `do` changes the world, `look_up` reads it, `announce` tells people, and `contained` says that
    this run's containment is complete. Everything of Temporal stays usable.
    """

    answers: ClassVar[str]
    priorities: ClassVar[tuple[Priority, ...]]
    contain_within: ClassVar[timedelta | None]
    attack: ClassVar[tuple[str, ...]] = ()  # the MITRE ATT&CK techniques that it answers

    def __init_subclass__(
        cls,
        *,
        answers: str,
        priorities: tuple[Priority | str, ...] = tuple(Priority),
        contain_within: timedelta | None = None,
    ) -> None:
        super().__init_subclass__()
        check(cls, Playbook, answers, priorities)
        cls.answers = answers
        cls.priorities = tuple(Priority(p) for p in priorities)
        cls.contain_within = contain_within
        leave_dynamic_updates_to(cls)
        cls.run = _reported(vars(cls)["run"])  # type: ignore[method-assign,assignment]

    def __init__(self) -> None:
        self._looks = 0
        self._steps = 0
        self._said = 0
        self._one_at_a_time = asyncio.Lock()

    async def run(self, incident: Incident) -> None:
        """What the playbook does about *incident*."""
        raise NotImplementedError

    async def look_up(self, lookup: Lookup[Result]) -> Result:
        """Ask the world a question."""
        answer = await perform(LOOK_UP, Inquiry(request=Request.of(lookup)), str(lookup))
        return lookup.result().validate_python(answer.value)

    async def do(self, *actions: Action[Any], otherwise: str = "") -> list[Receipt]:
        """
        Carry out *actions* together, after one approval if policy asks for it.

        Returns a receipt for each, in order; a receipt may be unverified at some enforcement
        points, which are then tried again for as long as the change is held. Raises `Refused`
        when policy or a person says no or nobody answers, `Drifted` when the world is no longer
        what was approved. With *otherwise* neither is raised: people are told so under that
        subject, nothing is returned, and the playbook goes on.
        """
        if not otherwise:
            return await self._do(actions)
        try:
            return await self._do(actions)
        except (Refused, Drifted) as not_done:
            await self.announce(otherwise, not_done.message, loud=True)
            return []

    async def do_in_waves(
        self, *actions: Action[Any], sizes: Sequence[int] = (1, 5)
    ) -> list[Receipt]:
        """
        Carry out *actions* one first, then some, then the rest; stop at the first surprise.

        Each wave is a `do` of its own, asked for by itself: who approves the next one sees what came
        of the last. Raises `Unverified` if a wave was not verified and others were to follow, naming
        what was not begun; what was done stays held. The last wave's receipts are returned as `do`'s.
        """
        done: list[Receipt] = []
        for wave in waves(actions, sizes):
            _not_too_many(wave)
        for wave in waves(actions, sizes):
            receipts = await self.do(*wave)
            done += receipts
            left = actions[len(done) :]
            if left and (said := surprise(receipts)):
                raise Unverified(
                    f"{said}; stopped after {len(done)} of {len(actions)}, not begun: "
                    f"{', '.join(map(str, left))}"
                )
        return done

    async def announce(
        self,
        subject: str,
        body: str = "",
        *,
        to: str = "security",
        loud: bool = False,
        update: bool = False,
    ) -> None:
        """
        Tell people; *loud* is for what must not wait until they look.

        With *update* it is the news that is owed: the next is due anew from then on.
        """
        self._said += 1
        said = Announcement(
            number=self._said, audience=to, subject=subject, body=body, loud=loud, update=update
        )
        await perform_here(ANNOUNCE, said, subject)

    async def escalate(
        self,
        role: str,
        subject: str,
        body: str = "",
        *,
        within: timedelta = timedelta(minutes=5),
        times: int = 3,
    ) -> str | None:
        """
        Page *role* until one of its people acknowledges; returns who did.

        It is paged again after *within*, *times* in all; then everybody whom an escalation reaches
        is told that it is unanswered, and None is returned. What is contained stays contained
        meanwhile: run it beside other work with `asyncio.create_task`.
        """
        self._said += 1
        page = Page(
            number=self._said, role=role, subject=subject, body=body, within=within, times=times
        )
        while True:
            seen = self._looks
            paged = await perform_here(PAGE, page, f"page {role}: {subject}")
            if paged.by is not None or paged.unanswered:
                return paged.by
            left = (paged.again or workflow.now()) - workflow.now()
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda seen=seen: self._looks > seen,  # type: ignore[misc]
                    timeout=max(left, timedelta(seconds=1)),
                    timeout_summary=f"page {role} again at {paged.again:%H:%M:%S} UTC",
                )

    async def contained(self) -> None:
        """Say that containment is complete: the clock stops once every receipt is verified."""
        await perform_here(CONTAINED, Nothing(), "containment is complete")

    @workflow.signal
    def look(self) -> None:
        """Something in the store changed. Says no more than that, and is believed no more."""
        self._looks += 1

    async def _do(self, actions: Sequence[Action[Any]]) -> list[Receipt]:
        if not actions:
            return []
        _not_too_many(actions)
        async with self._one_at_a_time:
            self._steps += 1
            batch = Batch(step=self._steps, actions=tuple(Request.of(a) for a in actions))
            summary = "; ".join(str(action) for action in actions)
            longest = max(action.longest for action in actions)
            while True:
                seen = self._looks
                done = await perform(DO, batch, summary, longest=longest)
                if done.ask is None:
                    return list(done.receipts)
                await self._decision(done, seen, summary)

    async def _decision(self, done: Done, seen: int, summary: str) -> None:
        """Wait until somebody says look, or the ask's time is up."""
        workflow.set_current_details(f"**Waiting for approval** `{done.ask}`\n\n{summary}")
        left = done.expires - workflow.now() if done.expires else None
        try:
            await workflow.wait_condition(
                lambda: self._looks > seen,
                timeout=None if left is None else max(left, timedelta(seconds=1)),
                timeout_summary=f"approve by {done.expires:%H:%M:%S} UTC" if done.expires else None,
            )
        except TimeoutError:
            return
        finally:
            workflow.set_current_details("")


def _not_too_many(actions: Sequence[Action[Any]]) -> None:
    """Raises `Refused` before anything is planned."""
    if len(actions) > MOST:
        raise Refused(
            f"a batch of {len(actions)} actions: at most {MOST} are done together, and none of these "
            f"was begun; call do for {MOST} of them at a time"
        )


def _reported(run: Run) -> Run:
    """Wrap *run* so that its end and its failure are written down and announced, not discovered."""

    @functools.wraps(run)
    async def reported(self: Playbook, incident: Incident) -> None:
        try:
            await run(self, incident)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            await perform_here(FINISH, Ending(failed=True, said=said[:2000]), "the playbook failed")
            if isinstance(error, FailureError):
                raise
            # A plain exception would have Temporal try this task again for ever.
            raise ApplicationError(said[:2000], type=type(error).__name__) from error
        await perform_here(FINISH, Ending(), "the playbook is done")

    return reported
