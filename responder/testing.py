"""
Public fixtures for authors of playbooks and actions: run a playbook whole, in seconds, on an imagined world.

Put `pytest_plugins = ["responder.testing"]` into your `conftest.py`. Playbooks run as they will in
production, with real verbs, approvals, leases and clocks; only the enforcement points are imagined,
and Temporal skips time.
"""

import json
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest
import pytest_asyncio
from pydantic import TypeAdapter

from responder.catalogue import load, names
from responder.contract import Action, Lookup, Request
from responder.incident import Alert, Network, Priority, Severity
from responder.plan import Outcome
from responder.policy.availability import Asset
from responder.policy.judge import Policy
from responder.policy.networks import parse_network
from responder.rehearsal.imagined import ImaginedWorld
from responder.rehearsal.people import Says, approves
from responder.rehearsal.rehearsal import Rehearsal, rehearsing
from responder.settings import Settings
from responder.store import Store
from responder.store.schema import bring_up_to_date
from responder.triage import Assessment
from responder.verbs.context import Kinds
from responder.workflows.playbook import Playbook

__all__ = [
    "ActionContract",
    "ImaginedWorld",
    "Rehearsed",
    "assert_contained",
    "assert_undone",
    "migrated",
    "run_playbook",
    "world",
]


@dataclass
class Rehearsed:
    """A run of a playbook, and what became of its incident so far."""

    rehearsal: Rehearsal
    number: str
    facts: Mapping[str, Any]

    @property
    def status(self) -> str:
        """The incident's state as people read it."""
        return str(self.facts["status"])

    @property
    def said(self) -> list[str]:
        """The subjects of all that people were told, in order."""
        return [message["subject"] for message in self.facts["messages"]]

    @property
    def asks(self) -> list[Mapping[str, Any]]:
        """What people were asked."""
        return list(self.facts["asks"])

    @property
    def done(self) -> list[str]:
        """The changes that were begun, in order, one line each."""
        return [
            change["summary"]
            for step in self.facts["steps"]
            if step["begun"] is not None
            for change in step["plan"]["changes"]
        ]

    @property
    def runs(self) -> list[Mapping[str, Any]]:
        """The playbook's runs; `state` is open, done or failed, and `said` says why."""
        return list(self.facts["runs"])

    async def go_on(self, **time: float) -> "Rehearsed":
        """Let time pass: `await run.go_on(hours=25)`."""
        await self.rehearsal.go_on(timedelta(**time))
        self.facts = await self.rehearsal.incident(self.number)
        return self

    async def keep(self, folder: Path) -> list[Path]:
        """Store what Temporal kept of the incident and its runs, for `responder replay`."""
        found = await self.rehearsal.histories()
        return [_kept(folder, name, history.to_json()) for name, history in found.items()]

    async def another_alert(self, **more: Any) -> "Rehearsed":  # noqa: ANN401 - an alert's fields
        """One more alert about the same incident, with other indicators."""
        before = self.facts
        alert = _alert(self.rehearsal, number=f"more-{len(before['alerts'])}", **more)
        assessment = Assessment(
            priority=Priority(before["priority"]),
            category=before["category"],
            subject=before["subject"],
        )
        await self.rehearsal.open(alert, assessment=assessment)
        return await self.go_on(seconds=10)


class RunPlaybook(Protocol):
    """Runs one playbook on the imagined world until it waits or has ended."""

    def __call__(
        self,
        playbook: type[Playbook],
        *,
        priority: str = "P2",
        networks: Sequence[str] = ("203.0.113.7",),
        hosts: Sequence[str] = ("web-1",),
        accounts: Sequence[str] = (),
        title: str = "An alert",
        says: Says = approves,
        policy: Policy | None = None,
    ) -> Awaitable[Rehearsed]: ...


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its tables, copied for every rehearsal."""
    import asyncio  # noqa: PLC0415 - a fixture of a whole session has no loop of its own

    path: Path = tmp_path_factory.mktemp("store") / "responder.sqlite"

    async def make() -> None:
        store = Store.at(path)
        await bring_up_to_date(store)
        await store.close()

    asyncio.run(make())
    return path


@pytest.fixture
def world() -> ImaginedWorld:
    """What stands where, what goes wrong, and what was changed."""
    return ImaginedWorld()


@pytest_asyncio.fixture
async def run_playbook(world: ImaginedWorld, migrated: Path) -> AsyncIterator[RunPlaybook]:
    """Run a playbook as it will run in production, on the imagined world."""
    async with AsyncExitStack() as stack:

        async def run(
            playbook: type[Playbook],
            *,
            priority: str = "P2",
            networks: Sequence[str] = ("203.0.113.7",),
            hosts: Sequence[str] = ("web-1",),
            accounts: Sequence[str] = (),
            title: str = "An alert",
            says: Says = approves,
            policy: Policy | None = None,
        ) -> Rehearsed:
            rehearsal = await stack.enter_async_context(
                rehearsing(
                    _kinds(playbook),
                    policy or policy_for(hosts),
                    world=world,
                    says=says,
                    template=migrated,
                )
            )
            alert = _alert(
                rehearsal, networks=networks, hosts=hosts, accounts=accounts, title=title
            )
            subject = next(iter((*networks, *hosts, *accounts)), "nothing")
            assessment = Assessment(
                priority=Priority(priority), category=playbook.answers, subject=subject
            )
            number = await rehearsal.open(alert, assessment=assessment)
            assert number is not None
            await rehearsal.settle()
            return Rehearsed(rehearsal, number, await rehearsal.incident(number))

        yield run


def _kept(folder: Path, workflow: str, history: str) -> Path:
    path = folder / f"{'-'.join(workflow.split('/')[1:]) or 'incident'}.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(json.loads(history), indent=1, sort_keys=True) + "\n")
    return path


def policy_for(hosts: Iterable[str]) -> Policy:
    """The defaults, and *hosts* as ours: each with a documentation address."""
    assets = [
        Asset(name=name, networks=(parse_network(f"198.51.100.{number}"),))
        for number, name in enumerate(hosts, 10)
    ]
    # Availability policy never isolates the last one of anything.
    others = [
        Asset(name=f"other-{n}", networks=(parse_network(f"198.51.100.{200 + n}"),))
        for n in range(9)
    ]
    return Policy(assets=(*assets, *others))


def assert_contained(run: Rehearsed) -> None:
    """Every live hold was read back as wanted, and there is one; the message says what is not."""
    held = [hold for hold in run.facts["holds"] if hold["ended"] is None]
    bad = [
        f"{h['resource']} is {h['outcome']} {h['said']}"
        for h in held
        if h["outcome"] != Outcome.VERIFIED
    ]
    refused = [
        f"{s['key']} is {s['state']}: {s['said']}"
        for s in run.facts["steps"]
        if s["state"] != "done"
    ]
    assert held, (
        f"nothing is held; the incident is {run.status!r}; {'; '.join(refused) or 'no step'}"
    )
    assert not bad, f"not contained: {'; '.join(bad)}"


def assert_undone(run: Rehearsed) -> None:
    """Nothing is held any more, and everything was put back as it was found."""
    left = [
        f"{hold['resource']} is {hold['state']} {hold['said']}"
        for hold in run.facts["holds"]
        if hold["ended"] is None or hold["state"] not in ("clear", "settled")
    ]
    assert not left, f"not undone: {'; '.join(left)}"


class ActionContract:
    """
    What every action promises; derive a test class from it, and say what to try.

        class TestMine(ActionContract):
            examples = (Mine(thing="a", lasts=timedelta(hours=1)),)
    """

    examples: ClassVar[tuple[Action[Any], ...]] = ()

    def test_there_are_examples(self) -> None:
        """Without one nothing would be tested."""
        assert self.examples, f"{type(self).__name__} has no examples"

    def test_it_travels_and_comes_back_equal(self) -> None:
        """What is asked for is what is carried out."""
        for action in self.examples:
            again = Request.model_validate_json(Request.of(action).model_dump_json())
            assert type(action).model_validate(again.params) == action, action

    def test_wanting_it_twice_is_wanting_it_once(self) -> None:
        """A retry finds its own work done."""
        for action in self.examples:
            once = action.desired(action.usual())
            assert action.desired(once) == once, action

    def test_its_state_is_written_down_and_read_back(self) -> None:
        """Plans, leases and the audit keep states as JSON."""
        for action in self.examples:
            adapter: TypeAdapter[Any] = action.state()
            for state in (action.usual(), action.desired(action.usual())):
                kept = adapter.dump_json(state)
                assert adapter.validate_json(kept) == state, action

    def test_it_says_what_it_does_in_one_line(self) -> None:
        """People approve this sentence."""
        for action in self.examples:
            said = str(action)
            assert said, f"{type(action).__name__} has no __str__"
            assert "\n" not in said, said
            assert type(action).__name__ + "(" not in said, said

    def test_it_says_what_it_needs_and_touches(self) -> None:
        """`doctor` and policy go by these."""
        for action in self.examples:
            assert type(action).__doc__, type(action).__name__
            assert type(action).permissions, f"{type(action).__name__} names no permissions"
            action.touches()


def _kinds(playbook: type[Playbook]) -> Kinds:
    defaults = Settings.model_construct(
        actions=Settings.model_fields["actions"].default,
        lookups=Settings.model_fields["lookups"].default,
    )
    actions = [a for dotted in names(defaults, "actions") for a in load(dotted)]
    lookups: list[type[Lookup[Any]]] = [
        q for dotted in names(defaults, "lookups") for q in load(dotted)
    ]
    return Kinds.of(actions, lookups, (playbook,))


def _alert(
    rehearsal: Rehearsal,
    *,
    networks: Sequence[str] = (),
    hosts: Sequence[str] = (),
    accounts: Sequence[str] = (),
    title: str = "An alert",
    number: str = "first",
) -> Alert:
    found: tuple[Network, ...] = tuple(parse_network(network) for network in networks)
    return Alert(
        id=number,
        source="rehearsal",
        title=title,
        severity=Severity.HIGH,
        occurred=rehearsal.clock.now,
        networks=found,
        hosts=tuple(hosts),
        accounts=tuple(accounts),
    )
