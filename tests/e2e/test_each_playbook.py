"""
Each playbook from its example alert to its end, against real hosts, an emulated cloud and a TLS server.

What is asserted is the effect: packets, rules, accounts, keys, files, messages. With
`RESPONDER_HISTORIES=1` what Temporal kept of each run is written to tests/histories.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import pytest_asyncio

from activities.ssh import SSHShell
from playbooks import _NAMES
from responder.crypto.keyring import KeyRing
from responder.evidence.folder import FolderVault
from responder.evidence.verify import verify
from responder.secrets.contract import NotStaged, Stage
from tests.e2e import estate, instance
from tests.e2e.estate import JWT, Estate, outcomes
from tests.e2e.kept import keep
from tests.e2e.runner import Runner
from tests.lab.network import SERVERS, SSH, Lab
from tests.notify.receivers import http
from tests.providers.aws.conftest import REGION
from tests.providers.scim_service import serving
from tests.providers.tls_server import handshake

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Each has an end-to-end test of its own.
ELSEWHERE = {"system_compromise": "test_system_compromise.py"}
_PREPARE = """
mkdir -p /root/kept && echo something > /root/kept/file &&
useradd -m -s /bin/sh -p '*' shop && install -d -m 700 -o shop /home/shop/.ssh &&
install -m 600 -o shop /root/.ssh/authorized_keys /home/shop/.ssh/authorized_keys
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shell(lab: Lab) -> AsyncIterator[SSHShell]:
    """`web`, where the account `shop` lives."""
    made = SSHShell(lab.access("web"))
    done = await made.run("sh", "-c", _PREPARE)
    assert done.status == 0, done
    yield made
    await made.run(
        "sh", "-c", "pkill -KILL -u shop; sleep 0.2; userdel -rf shop; rm -rf /root/kept"
    )
    await made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(
    lab: Lab, shell: SSHShell, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Estate]:
    """One runner for all of them."""
    folder: Path = tmp_path_factory.mktemp("each")
    with (
        instance.cloud(folder) as cloud,
        estate.served(folder) as tls,
        serving() as scim,
        http("webhook") as chat,
    ):
        given = estate.settings(lab, cloud, tls, scim, chat, folder / "token")
        made = Estate(Runner(folder, given), lab, cloud, tls, scim, chat)
        made.iam().create_user(UserName="deploy")
        await made.runner.start()
        yield made
        await made.runner.close()


@pytest.fixture(autouse=True)
def _clean(lab: Lab) -> None:
    """Nothing is cleaned between these tests: each lets go of what it held, and looks."""


@pytest_asyncio.fixture(loop_scope="module")
async def told(here: Estate, lab: Lab, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Tells a playbook's story; afterwards it is over, kept if that is asked for, and undone to the last rule."""
    before = {host: lab.ruleset(host) for host in SERVERS}
    numbers: list[str] = []

    async def tell(name: str, **changed: Any) -> dict[str, Any]:
        found = await here.story(name, **changed)
        numbers.append(found["id"])
        return found

    yield tell
    for number in numbers:
        await keep(here.runner, number)
        await here.over(number)
    after = {host: lab.ruleset(host) for host in SERVERS}
    assert after == before


def vault(here: Estate) -> FolderVault:
    """The runner's evidence."""
    state = here.runner.settings.state
    return FolderVault(state / "evidence", lambda: KeyRing.load(state / "keys" / "evidence.json"))


def collected(here: Estate, number: str) -> set[str]:
    """Of which hosts and accounts there is complete evidence that holds."""
    verdicts = verify(vault(here), number)
    assert [one.faults for one in verdicts if one.faults] == []
    return {one.host for one in verdicts if one.complete}


async def says(here: Estate, number: str, words: str, *, to: str) -> None:
    """Wait until the channel has had a message of an incident that says so, to those."""

    async def there() -> bool:
        return any(
            (one["data"]["incident"], one["data"]["audience"]) == (number, to)
            and words in f"{one['data']['subject']} {one['data']['body']}"
            for one in here.chat.taken
        )

    await here.runner.until(there, f"{words!r} of {number} to {to}")


async def shop_signs_in(lab: Lab) -> bool:
    """Whether `shop` can sign in to `web`."""
    mine = SSHShell(lab.access("web").model_copy(update={"user": "shop"}), connect_seconds=3)
    try:
        return (await mine.run("id", "-un")).out.strip() == "shop"
    except Exception:  # noqa: BLE001 - however it is refused
        return False
    finally:
        await mine.close()


async def shop_stays(lab: Lab) -> tuple[SSHShell, asyncio.Task[Any]]:
    """A session of `shop` that goes on until somebody ends it."""
    mine = SSHShell(lab.access("web").model_copy(update={"user": "shop"}))
    await mine.run("true")
    return mine, asyncio.create_task(mine.run("sleep", "300"))


async def reached(lab: Lab, source: str, target: str) -> bool:
    """Whether *source* gets a word out of *target*."""
    return await asyncio.to_thread(lab.probe, source, target)


# -- P1 ----------------------------------------------------------------------------------------


async def test_data_leak_closes_the_way_out_and_keeps_what_shows_how_much(
    here: Estate, lab: Lab, shell: SSHShell, told: Any
) -> None:
    mine, session = await shop_stays(lab)
    incident = await told("data_leak")
    assert incident["priority"] == "P1"
    assert not await reached(lab, "attacker", "web")
    assert not await reached(lab, "web", "db")
    assert lab.probe("bastion", "db", SSH, timeout=2)
    assert not here.scim.users["1"].active
    assert not await shop_signs_in(lab)
    assert session.done()
    await mine.close()
    assert collected(here, incident["id"]) == {"db-1", "prod"}
    await says(here, incident["id"], "duty to report", to="CISO")


async def test_ransomware_isolates_in_waves_before_it_keeps_evidence(
    here: Estate, lab: Lab, told: Any
) -> None:
    incident = await told("ransomware")
    changes = [line for line in outcomes(incident) if "isolate" in line]
    assert changes == ["isolate web-1", "isolate edge-1", "isolate db-1"]
    assert [
        len(one["plan"]["changes"]) for one in incident["steps"] if "isolate" in str(one["plan"])
    ] == [1, 2]
    for source, target in (("db", "web"), ("web", "edge2"), ("edge2", "db")):
        assert not await reached(lab, source, target)
    assert not here.scim.users["1"].active
    assert collected(here, incident["id"]) == {"web-1", "edge-1", "db-1"}


# -- P2 ----------------------------------------------------------------------------------------


async def test_credential_compromise_of_a_cloud_key_shuts_it_out_and_watches(
    here: Estate, lab: Lab
) -> None:
    iam = here.iam()
    stolen = iam.create_access_key(UserName="deploy")["AccessKey"]["AccessKeyId"]
    number = await here.opened("credential_compromise")

    async def inactive() -> bool:
        await here.go_on(number)
        [key] = iam.list_access_keys(UserName="deploy")["AccessKeyMetadata"]
        return bool((key["AccessKeyId"], key["Status"]) == (stolen, "Inactive"))

    await here.runner.until(inactive, "the stolen key to be inactive")
    await here.runner.status(number, "contained")
    client = await here.runner.temporal()
    [run] = (await here.runner.incident(number))["runs"]

    async def watches() -> bool:
        history = await client.get_workflow_handle(run["id"]).fetch_history()
        timers = [e for e in history.events if e.HasField("timer_started_event_attributes")]
        return any(
            e.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta().total_seconds()
            == 1800
            for e in timers
        )

    await here.runner.until(watches, "the watch of 30 minutes")
    await here.over(number)


async def test_credential_compromise_of_a_key_of_ours_revokes_and_replaces_it(
    here: Estate, told: Any
) -> None:
    await told("key_rotation")
    [first] = await here.secrets.versions(JWT)
    assert first.stage is Stage.CURRENT
    await told("credential_compromise", accounts=[JWT], id="of-ours")
    versions = {one.id: one.stage for one in await here.secrets.versions(JWT)}
    assert versions.pop(first.id) is Stage.REVOKED
    assert set(versions.values()) == {Stage.CURRENT}


async def test_privilege_escalation_watches_keeps_and_closes_the_account(
    here: Estate, lab: Lab, told: Any
) -> None:
    incident = await told("privilege_escalation", accounts=["deploy", "shop"])
    assert "responder" in lab.ruleset("db"), "flows of the host are logged"
    policies = here.iam().list_user_policies(UserName="deploy")["PolicyNames"]
    assert len(policies) == 1
    assert not await shop_signs_in(lab)
    assert collected(here, incident["id"]) == {"db-1"}


async def test_authentication_bypass_slows_down_ends_sessions_and_renews_the_key(
    here: Estate, lab: Lab, told: Any
) -> None:
    mine, session = await shop_stays(lab)
    before = {one.id for one in await here.secrets.versions(JWT)}
    await told("authentication_bypass", accounts=["shop", JWT])
    assert "30/minute" in lab.ruleset("web")
    await asyncio.wait([session], timeout=10)
    assert session.done()
    await mine.close()
    assert await shop_signs_in(lab), "whoever signs in again is let in"
    [current] = [one.id for one in await here.secrets.versions(JWT) if one.stage is Stage.CURRENT]
    assert current not in before


async def test_unauthorized_access_shuts_out_at_once(here: Estate, lab: Lab, told: Any) -> None:
    mine, session = await shop_stays(lab)
    incident = await told("unauthorized_access")
    assert not await reached(lab, "attacker", "web")
    assert await reached(lab, "db", "web")
    await asyncio.wait([session], timeout=10)
    assert session.done()
    await mine.close()
    await says(here, incident["id"], "shut out", to="Security Team")


async def test_authentication_attack_shuts_out_keeps_evidence_and_isolates(
    here: Estate, lab: Lab, told: Any
) -> None:
    incident = await told("authentication_attack")
    assert not await reached(lab, "attacker", "edge2")
    assert not await reached(lab, "db", "web")
    assert collected(here, incident["id"]) == {"web-1"}


# -- P3 ----------------------------------------------------------------------------------------


async def test_api_abuse_slows_the_sender_down_and_cuts_nobody_off(
    here: Estate, lab: Lab, told: Any
) -> None:
    incident = await told("api_abuse")
    assert incident["asks"] == []
    assert "100/minute" in lab.ruleset("web")
    assert await reached(lab, "attacker", "web")
    await says(here, incident["id"], "restricted", to="Operations")


async def test_unusual_traffic_lets_less_through(here: Estate, lab: Lab, told: Any) -> None:
    incident = await told("unusual_traffic")
    assert incident["asks"] == []
    assert "1000/second" in lab.ruleset("web")
    assert await reached(lab, "attacker", "web")


async def test_malware_on_a_host_is_kept_watched_and_cut_off(
    here: Estate, lab: Lab, told: Any
) -> None:
    incident = await told("malware_on_host")
    assert not await reached(lab, "web", "edge2")
    assert await reached(lab, "db", "web")
    assert collected(here, incident["id"]) == {"edge-1"}


# -- P4 ----------------------------------------------------------------------------------------


async def test_a_policy_violation_is_told_to_the_team_lead_and_changes_nothing(
    here: Estate, told: Any
) -> None:
    incident = await told("policy_violation")
    assert (incident["asks"], incident["steps"], incident["holds"]) == ([], [], [])
    await says(here, incident["id"], "shop, edge-1", to="Team Lead")


async def test_a_certificate_that_expires_soon_is_renewed_and_shown(
    here: Estate, told: Any
) -> None:
    incident = await told("certificate_expiry")
    assert incident["asks"] == []
    assert await days_left(here) >= 89


async def days_left(here: Estate) -> int:
    """What the TLS server's certificate has left, by a handshake."""
    port = here.tls.facts["served"]["port"]
    shown = await asyncio.to_thread(handshake, here.tls.authority, "127.0.0.1", port)
    return (shown.not_valid_after_utc - datetime.now(UTC)).days


# -- by plan -----------------------------------------------------------------------------------


async def test_certificate_rotation_renews_what_is_due(here: Estate, told: Any) -> None:
    here.tls.renew(10)
    await told("certificate_rotation")
    assert await days_left(here) >= 89


async def test_access_key_rotation_ends_the_old_key_once_the_new_one_is_used(
    here: Estate,
) -> None:
    iam = here.iam()
    for key in iam.list_access_keys(UserName="deploy")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="deploy", AccessKeyId=key["AccessKeyId"])
    old = iam.create_access_key(UserName="deploy")["AccessKey"]
    use(here, old)
    number = await here.opened("access_key_rotation")

    async def current() -> Any:
        await here.go_on(number)
        try:
            return json.loads((await here.secrets.get("deploy")).get_secret_value())
        except NotStaged:
            return None

    new = await here.runner.until(current, "the new key to be in the secret store")
    use(here, new)
    await here.done(number)
    rows = iam.list_access_keys(UserName="deploy")["AccessKeyMetadata"]
    assert [(row["AccessKeyId"], row["Status"]) for row in rows] == [(new["AccessKeyId"], "Active")]
    await keep(here.runner, number)
    await here.close(number, "resolved")  # a key that is deleted cannot be given back


def use(here: Estate, key: dict[str, Any]) -> None:
    """Ask AWS something with an access key."""
    boto3.client(
        "sts", region_name=REGION, endpoint_url=here.cloud.url,
        aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"],
    ).get_caller_identity()  # fmt: skip


async def test_access_review_shows_keys_to_the_team_lead_and_changes_nothing(
    here: Estate, told: Any
) -> None:
    incident = await told("access_review")
    assert incident["steps"] == []
    await says(here, incident["id"], "deploy in prod", to="Team Lead")
    await says(here, incident["id"], "vic: confirm by hand", to="Team Lead")


async def test_a_drill_calls_everybody_and_says_who_came(here: Estate, told: Any) -> None:
    incident = await told("drill")
    assert incident["steps"] == []
    await says(here, incident["id"], "Security Team: vic after", to="security")
    await says(here, incident["id"], "CISO: cyd after", to="security")


async def test_there_is_such_a_test_for_every_playbook() -> None:
    text = Path(__file__).read_text()
    told_here = {name for name in _NAMES if f'told("{name}"' in text or f'opened("{name}"' in text}
    assert told_here | set(ELSEWHERE) == set(_NAMES)
