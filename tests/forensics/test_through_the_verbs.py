"""A collection as a playbook asks for it: judged, done once, in its receipt and in the audit."""

import asyncio
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from activities.forensics import CollectEvidence
from activities.local import LocalShell
from activities.providers.live_response import LiveResponse
from activities.streams import LocalStreams
from responder.access import Local
from responder.contract import Action, Resource
from responder.errors import Unreachable
from responder.evidence.folder import FolderVault
from responder.evidence.settings import Scope
from responder.evidence.verify import verify
from responder.plan import Outcome
from responder.store import Store
from tests.databases import ManualClock
from tests.verbs.desk import Desk

SLOW = ("network", "processes", "memory", "executables", "accounts", "persistence")


class Here:
    """This machine as the host `web1`, into one vault."""

    def __init__(self, vault: FolderVault, folder: Path) -> None:
        self._vault = vault
        self._scope = Scope(roots=(str(folder),), temporary=(str(folder),), logs=(str(folder),))
        self.down = False

    def resolve(self, action: Action[Any]) -> Mapping[str, Resource[Any]]:
        assert isinstance(action, CollectEvidence)
        there = LiveResponse(
            self._vault, LocalShell(Local()), LocalStreams(Local()), action, scope=self._scope
        )
        if self.down:
            there._shell = Dead()
        return {"web1": there}

    async def close(self) -> None:
        """Nothing is kept open."""


class Dead(LocalShell):
    def __init__(self) -> None:
        super().__init__(Local())

    async def run(self, *words: str, stdin: str = "") -> Any:
        raise Unreachable("web1 does not answer")


def action(incident: str = "IR-1") -> CollectEvidence:
    left = [{"step": step, "reason": "this is the test's own machine"} for step in SLOW]
    return CollectEvidence.model_validate({"host": "web1", "incident": incident, "waived": left})


@pytest.fixture
def database() -> str:
    """SQLite: what is tried here is not about the database."""
    return "sqlite"


@pytest.fixture
def desk(store: Store, clock: ManualClock) -> Desk:
    """The verbs, before they are given something to act on."""
    return Desk(store, clock)


@pytest.fixture
def here(desk: Desk, vault: FolderVault, tmp_path: Path) -> Here:
    (tmp_path / "suspect").mkdir()
    made = Here(vault, tmp_path / "suspect")
    desk.context = dataclasses.replace(desk.context, provision=made)  # type: ignore[arg-type]
    desk.context.kinds.actions["CollectEvidence"] = CollectEvidence
    return made


async def test_it_is_done_without_asking_and_proved(
    desk: Desk,
    here: Here,
    vault: FolderVault,
) -> None:
    run = await desk.open_run()
    (receipt,) = (await desk.do(run, action())).receipts
    assert receipt.verified
    assert receipt.points[0].found == "acquired"
    (verdict,) = verify(vault)
    record = receipt.points[0].record
    assert isinstance(record, dict)
    assert record["manifest_sha256"] == verdict.manifest_sha256
    assert (verdict.complete, verdict.faults) == (True, ())
    row = await desk.row("evidence/IR-1/web1/first")
    assert row.state == "settled"
    assert desk.server.leases == []
    entries = verdict.entries
    again = await desk.do(run, action(), step=2)
    assert again.receipts[0].verified
    assert verify(vault)[0].entries == entries, "it was collected twice"
    kinds = [entry.kind for entry in await desk.audited("intent", "outcome")]
    assert kinds[:2] == ["intent", "outcome"]


async def test_a_host_that_is_silent_is_tried_again_by_the_sweep(
    desk: Desk,
    here: Here,
    vault: FolderVault,
) -> None:
    run = await desk.open_run()
    here.down = True
    (receipt,) = (await desk.do(run, action())).receipts
    assert receipt.points[0].outcome is Outcome.UNKNOWN
    assert "web1 does not answer" in receipt.points[0].said
    here.down = False
    desk.clock.advance(minutes=2)
    await desk.sweep()  # evidence may take long: the sweep has it done beside itself
    async with asyncio.timeout(30):
        while (await desk.row("evidence/IR-1/web1/first")).state != "settled":
            await asyncio.sleep(0.05)
    assert [(v.complete, v.faults) for v in verify(vault)] == [(True, ())]


async def test_evidence_is_not_put_into_another_incident(
    desk: Desk,
    here: Here,
    vault: FolderVault,
) -> None:
    run = await desk.open_run()
    (receipt,) = (await desk.do(run, action("IR-2"))).receipts
    assert receipt.points[0].outcome is Outcome.FAILED
    assert "expected the incident of the run, IR-1, but found IR-2" in receipt.points[0].said
    assert vault.places() == []
