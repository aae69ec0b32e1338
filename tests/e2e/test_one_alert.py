"""One alert from its delivery to the attacker's packets being dropped, and back."""

import pytest

from tests.e2e.runner import Runner, wazuh
from tests.lab.network import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_alert_becomes_a_verified_block_on_both_firewalls(
    runner: Runner, lab: Lab
) -> None:
    assert lab.probe("attacker", "web")
    answer = await runner.post(wazuh("198.51.100.66", level=7))
    assert answer.status_code == 202
    incident = await runner.about("198.51.100.66")
    incident = await runner.status(incident["id"], "contained")
    blocks = [h for h in incident["holds"] if h["resource"].startswith("block/")]
    assert {h["point"]: h["outcome"] for h in blocks} == {
        "fra1": "verified",
        "ams1": "verified",
    }
    assert not lab.probe("attacker", "web")
    assert lab.probe("db", "web")
    assert incident["clocks"][1]["met"] or incident["clocks"][0]["met"]

    ended = await runner.api(
        "POST", "/api/leases/end", json={"resource": "block/fra1/198.51.100.66"}
    )
    assert ended["resources"] == ["block/fra1/198.51.100.66"]

    async def gone() -> bool:
        return lab.probe("attacker", "web")

    await runner.until(gone, "the block at fra1 to be undone")
    assert (await runner.incident(incident["id"]))["status"] == "contained", "ams1 still holds"
    await runner.api("POST", "/api/leases/end", json={"resource": "block/ams1/198.51.100.66"})
    await runner.status(incident["id"], "released")
    kinds = [
        row["kind"]
        for row in await runner.api(
            "GET", "/api/audit", params={"last": 500, "incident": incident["id"]}
        )
    ]
    for before, after in (
        ("planned", "intent"),
        ("intent", "outcome"),
        ("hold ended", "undo"),
        ("undo", "undone"),
    ):
        assert kinds.index(before) < kinds.index(after), kinds
    found = await runner.api("GET", "/api/audit/verification")
    assert found["fault"] is None


async def test_an_isolation_waits_for_a_second_factor_and_is_undone_when_it_was_a_false_positive(
    runner: Runner, lab: Lab
) -> None:
    await runner.post(wazuh("203.0.113.50", level=12))
    incident = await runner.about("203.0.113.50")
    incident = await runner.status(incident["id"], "waiting for approval")
    [ask] = [a for a in incident["asks"] if a["state"] == "open"]
    assert ask["tier"] == "T2"
    assert ask["plan"]["changes"][0]["points"] == [
        {
            "point": "web-1",
            "resource": "filter/web-1",
            "known": True,
            "before": "open",
            "expires": None,
            "record": None,
            "after": "isolated",
            "changes": True,
        }
    ]
    path = f"/api/asks/{ask['id']}/decisions"

    async def decide(by: str, **verdict: object) -> tuple[int, str]:
        headers = {"authorization": f"Bearer {runner.tokens[by]}"}
        body = {"approve": True, "digest": ask["digest"], **verdict}
        answer = await runner.http.post(path, json=body, headers=headers)
        return answer.status_code, answer.text

    assert (await decide("vic"))[0] == 403
    assert "second factor" in (await decide("ana"))[1]
    assert "does not match" in (await decide("ana", code="000000"))[1]
    assert lab.probe("db", "web")

    status, said = await decide("ana", code=await runner.fresh_code("ana"))
    assert status == 200, said
    await runner.status(incident["id"], "contained")
    assert not lab.probe("db", "web"), "an isolated host must not be reached from its neighbours"

    closing = {"resolution": "false_positive", "code": await runner.fresh_code("ana")}
    await runner.api("POST", f"/api/incidents/{incident['id']}/close", json=closing)

    async def open_again() -> bool:
        return lab.probe("db", "web")

    await runner.until(open_again, "the isolation to be undone")


async def test_an_approval_that_was_taken_back_in_time_isolates_nobody(
    runner: Runner, lab: Lab
) -> None:
    await runner.post(wazuh("203.0.113.51", level=12))
    incident = await runner.about("203.0.113.51")
    incident = await runner.status(incident["id"], "waiting for approval")
    [ask] = [a for a in incident["asks"] if a["state"] == "open"]
    await runner.api("POST", "/api/pause", json={"reason": "so that nothing begins"})
    verdict = {"approve": True, "code": await runner.fresh_code("ben"), "digest": ask["digest"]}
    await runner.api("POST", f"/api/asks/{ask['id']}/decisions", by="ben", json=verdict)
    revoked = await runner.api(
        "POST", f"/api/approvals/{ask['id']}/revoke", by="ben", json={"reason": "the wrong host"}
    )
    assert revoked["state"] == "revoked"
    await runner.api("POST", "/api/resume", json={"code": await runner.fresh_code("ana")})

    async def refused() -> bool:
        steps = (await runner.incident(incident["id"]))["steps"]
        return any("its approval was taken back" in step["said"] for step in steps)

    await runner.until(refused, "the step to be refused")
    assert lab.probe("db", "web")


@pytest.mark.parametrize(
    ("address", "said"),
    [("198.51.100.20", "is ours (db-1)"), ("127.0.0.1", ""), ("10.1.2.3", "internal networks")],
)
async def test_what_must_never_be_blocked_is_refused_before_anyone_is_asked(
    runner: Runner, lab: Lab, address: str, said: str
) -> None:
    await runner.post(wazuh(address, host="somewhere-else", level=7))
    if not said:  # loopback is no attacker at all: Wazuh's own way to say "here"
        return
    incident = await runner.about(address)
    incident = await runner.status(incident["id"], "NOT CONTAINED")
    assert said in incident["steps"][0]["said"]
    assert not incident["asks"]
    assert not incident["holds"]
