"""A rotation that a person asks for by hand, over HTTP: its T3 ask is not theirs to approve."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import select, update
from starlette.applications import Starlette

from playbooks import PLAYBOOKS
from responder.api import approvals, asking, keys
from responder.api.app import _problem, _refused
from responder.api.route import Problem
from responder.approval import totp
from responder.approval.service import Approvals
from responder.approval.settings import ApprovalSettings
from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.people import tokens
from responder.people.person import Directory, Person, Role
from responder.people.token_keys import TokenKeys
from responder.policy.tiers import Needs, Tier, TierRules
from responder.rotation import KeyRotation, ManagedKey
from responder.store import Store
from responder.store.tables import asks, incidents, runs
from responder.verbs.context import Kinds
from tests.approval.desk import ORIGIN
from tests.databases import ManualClock
from tests.verbs.desk import POLICY, Desk, isolate

PEOPLE = {
    name: Person(name=name, roles=(Role.OPERATOR,) if name != "root" else (Role.ADMIN,))
    for name in ("ana", "ben", "cyd", "root")
}
TWO = Needs(people=2, stepped_up=0)
# T3 as it is by default, but for codes, which are tested where they are checked.
TIERS = TierRules(needs=POLICY.tiers.needs | {Tier.T3: TWO})


@pytest.fixture
def database() -> str:
    """SQLite: the rules are tested on both with the approval service."""
    return "sqlite"


class Served:
    """The routes of keys and asks over one store, with a desk as its worker."""

    def __init__(self, store: Store, clock: ManualClock, folder: Path) -> None:
        policy = POLICY.model_copy(update={"tiers": TIERS})
        self.store = store
        self.desk = Desk(store, clock, policy=policy)
        self.desk.people = dict(PEOPLE)
        self.desk.context = self.desk.worker("worker-1")
        self.keys = TokenKeys(folder / "tokens")
        people, ring = Directory(PEOPLE.values()), KeyRing.fresh()
        kept = timedelta(days=30)
        key = ManagedKey(name="token-signing", type="rsa", size=3072, retention_period=kept)
        rotation = KeyRotation(keys=(key,))
        app = Starlette(
            routes=[r.route for room in (keys, approvals, asking) for r in room.routes.declared],
            exception_handlers={Problem: _problem, Refused: _refused},
        )
        app.state.parts = SimpleNamespace(
            store=store, deliveries=ring, signer=self.desk.signer, people=people, policy=policy,
            approvals=Approvals(store, self.desk.signer, ring, policy, ORIGIN, people),
            kinds=Kinds.of((), (), PLAYBOOKS), token_keys=self.keys, link=None,
            settings=SimpleNamespace(
                api=SimpleNamespace(origin=ORIGIN), approvals=ApprovalSettings(),
                key_rotation=rotation,
            ),
        )  # fmt: skip
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN)
        self.ring = ring

    async def call(self, who: str, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """The status, and the answer or what was said."""
        token = await tokens.issue(self.store, self.keys, who)
        headers = {"authorization": f"Bearer {token}"}
        given = body if method == "POST" else None
        answer = await self.http.request(method, path, headers=headers, json=given)
        found = answer.json()
        return answer.status_code, found if answer.is_success else found["detail"]

    async def rotated_by(self, who: str) -> str:
        """The T3 ask of a run of the incident that *who* opens by asking for a rotation."""
        body = {"name": "token-signing", "mode": "emergency"}
        status, answer = await self.call(who, "POST", "/api/keys/rotate", **body)
        assert status == 200, answer
        async with self.store.transaction() as tx:
            query = select(runs.c.id).where(runs.c.incident == answer["incident"])
            run = str((await tx.execute(query)).scalar_one())
            await tx.execute(update(runs).values(bound=f"{run}@1"))
            hosts = {"networks": [], "hosts": ["web1", "web2"], "accounts": []}
            await tx.execute(update(incidents).values(indicators=hosts))
        self.run = run
        return str((await self.desk.do(run, isolate("web1"), isolate("web2"))).ask)

    async def approve(self, who: str, ask: str) -> tuple[int, Any]:
        """*who* looks at the ask and approves it."""
        _, shown = await self.call(who, "GET", f"/api/asks/{ask}")
        verdict = {"approve": True, "digest": shown["digest"], "number": shown["number"]}
        return await self.call(who, "POST", f"/api/asks/{ask}/decisions", **verdict)


@pytest_asyncio.fixture
async def served(store: Store, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Served]:
    one = Served(store, clock, tmp_path)
    yield one
    await one.http.aclose()


async def test_who_asked_for_it_by_hand_may_not_approve_and_two_others_may(served: Served) -> None:
    ask = await served.rotated_by("ana")
    _, shown = await served.call("ben", "GET", f"/api/asks/{ask}")
    assert (shown["tier"], shown["asked_for_by"]) == ("T3", "ana (opened the incident)")
    assert shown["may_approve"] == ["ben", "cyd", "root"]

    status, said = await served.approve("ana", ask)
    assert status == 403
    assert said.endswith(
        "ana opened the incident, and nobody may approve their own request; ben, cyd, root may"
    )
    assert (await served.approve("ben", ask))[1]["state"] == "open"
    assert (await served.approve("cyd", ask))[1]["state"] == "approved"
    done = await served.desk.do(served.run, isolate("web1"), isolate("web2"))
    assert [receipt.verified for receipt in done.receipts] == [True, True]


async def test_nor_may_they_break_the_glass_for_it(served: Served) -> None:
    ask = await served.rotated_by("ana")
    async with served.store.transaction() as tx:
        await totp.enrol(tx, served.ring, "ana")
        digest = (await tx.execute(select(asks.c.digest))).scalar_one()
    path = f"/api/asks/{ask}/break-glass"
    body = {"reason": "nobody answers", "digest": digest, "code": "000000"}
    status, said = await served.call("ana", "POST", path, **body)
    assert (status, "by somebody who did not ask for it" in said) == (403, True)


async def test_they_may_deny_it_and_nothing_is_done(served: Served) -> None:
    ask = await served.rotated_by("ana")
    path = f"/api/asks/{ask}/decisions"
    assert (await served.call("ana", "POST", path, approve=False))[1]["state"] == "denied"
    with pytest.raises(Refused, match="denied"):
        await served.desk.do(served.run, isolate("web1"), isolate("web2"))


async def test_who_asks_stands_in_the_incident_and_in_the_audit(served: Served) -> None:
    await served.rotated_by("ana")
    async with served.store.reading() as tx:
        assert (await tx.execute(select(incidents.c.asked_by))).scalar_one() == ["ana"]
    (entry,) = await served.desk.audited("received")
    assert (entry.actor, entry.data["asked_by"]) == ("ana", "ana")
