"""
A runner for every playbook: the lab's three servers, an account of AWS at moto, a TLS server, accounts.

People answer as a test has them answer. Nobody needs a second factor here: that is tested elsewhere,
and a code is good once in 30 seconds.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from responder import certificates
from responder.crypto.keyring import KeyRing
from responder.secrets.sealed import SealedSecrets
from tests.e2e import instance
from tests.e2e.conftest import on_the_lab
from tests.e2e.runner import SECRET, Runner, free_ports
from tests.lab.network import Lab, address
from tests.notify import receivers
from tests.providers.aws.server import Door
from tests.providers.scim_service import TOKEN, Service, User
from tests.providers.tls_server import SERVER, make_authority, pair_for

EXAMPLES = Path(__file__).parents[2] / "examples" / "alerts"
FACTS = (
    "id", "occurred", "title", "rule", "severity", "techniques", "category", "networks", "hosts",
    "accounts",
)  # fmt: skip
# The examples speak of more machines than the lab has, and of people who approve here.
HOSTS = {"api-1": "web-1", "login-1": "web-1", "files-1": "web-1", "build-1": "edge-1",
         "desk-1": "edge-1", "files-2": "edge-1", "files-3": "db-1"}  # fmt: skip
ACCOUNTS = {"ana": "shop", "ben": "shop", "cyd": "shop"}
QUICK = {"quiet": "PT2S", "check": "PT1S"}
JWT, CLOUD_KEY, TLS = "jwt-signing-key", "deploy", "web-tls"


@dataclass
class Served:
    """A TLS server and its files."""

    folder: Path
    authority: certificates.LocalAuthority
    facts: dict[str, Any]

    def renew(self, days: int) -> None:
        """Have it show a certificate with so many days left."""
        wanted = certificates.ManagedCertificate.model_validate(self.facts)
        pair = pair_for(self.authority, wanted, days=days)
        for name, content in (("web.pem", pair[0]), ("web.key", pair[1])):
            (self.folder / name).touch(mode=0o600)
            (self.folder / name).write_text(content)
        if (self.folder / "pid").exists():
            os.kill(int((self.folder / "pid").read_text()), signal.SIGHUP)


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """A TLS server on loopback whose certificate is ours to renew."""
    [port] = free_ports(1)
    facts: dict[str, Any] = {
        "name": TLS, "host": "tls-1", "certificate": str(folder / "web.pem"),
        "key": str(folder / "web.key"), "reload": ["pkill", "-HUP", "-F", str(folder / "pid")],
        "common_name": "web.example.com", "dns": ["web.example.com"],
        "served": {"address": "127.0.0.1", "port": port},
    }  # fmt: skip
    made = Served(folder, make_authority(folder), facts)
    made.renew(20)
    words = (facts["certificate"], facts["key"], str(port), str(folder / "pid"))
    server = subprocess.Popen((sys.executable, "-c", SERVER, *words))
    try:
        while not (folder / "pid").exists():
            assert server.poll() is None
            time.sleep(0.05)
        yield made
    finally:
        server.kill()
        server.wait()


@dataclass
class Estate:
    """Everything there is, and what people do about it."""

    runner: Runner
    lab: Lab
    cloud: Door
    tls: Served
    scim: Service
    chat: receivers.Receiver
    closed: set[str] = field(default_factory=set)

    def iam(self) -> Any:
        """boto3's own client, as a colleague has it."""
        return instance.client(self.cloud, "iam")

    @property
    def secrets(self) -> SealedSecrets:
        """Where the versions of keys are."""
        rotation = self.runner.settings.rotation
        return SealedSecrets(rotation.folder, lambda: KeyRing.load(rotation.ring))

    async def opened(self, name: str, **changed: Any) -> str:
        """Send a playbook's example, with what is different here; returns its incident's number."""
        alert = json.loads((EXAMPLES / f"{name}.json").read_text())
        if "networks" in alert:
            alert["networks"] = [address("attacker")]
        for fact, ours in (("hosts", HOSTS), ("accounts", ACCOUNTS)):
            if fact in alert:
                alert[fact] = [ours.get(one, one) for one in alert[fact]]
        answer = await self.runner.post(alert | changed, source="siem")
        assert answer.status_code == 202, answer.text

        async def there() -> str | None:
            rows = await self.runner.api("GET", "/api/incidents")
            found = [row["id"] for row in rows if row["category"] == name]
            return found[0] if found else None

        return str(await self.runner.until(there, f"an incident of {name}"))

    async def go_on(self, number: str) -> dict[str, Any]:
        """Answer whatever is asked, take whatever page there is; the incident as it is now."""
        for page in await self.runner.api("GET", "/api/pages"):
            if page["incident"] == number:
                who = "cyd" if page["role"] == "CISO" else "vic"
                await self.runner.api("POST", f"/api/pages/{page['id']}/ack", by=who)
        found = await self.runner.incident(number)
        for ask in found["asks"]:
            for who in ("ana", "ben"):
                now = await self.runner.api("GET", f"/api/asks/{ask['id']}")
                if now["state"] == "open":
                    verdict = {"approve": True, "digest": ask["digest"]}
                    path = f"/api/asks/{ask['id']}/decisions"
                    await self.runner.api("POST", path, by=who, json=verdict)
        return found

    async def done(self, number: str, seconds: float = 60) -> dict[str, Any]:
        """Go on until the playbook is at its end, which must be a good one."""

        async def over() -> dict[str, Any] | None:
            found = await self.go_on(number)
            return found if found["runs"] and found["runs"][0]["state"] != "open" else None

        found: dict[str, Any] = await self.runner.until(over, f"the run of {number}", seconds)
        assert found["runs"][0]["state"] == "done", found["runs"]
        return found

    async def story(self, name: str, **changed: Any) -> dict[str, Any]:
        """A playbook's example from its alert to its end."""
        return await self.done(await self.opened(name, **changed))

    async def close(self, number: str, resolution: str) -> None:
        """Close an incident, as an admin who may."""
        body = {"resolution": resolution}
        await self.runner.api("POST", f"/api/incidents/{number}/close", by="root", json=body)

    async def over(self, number: str) -> None:
        """It was a false positive: what is held is let go, and read back."""
        await self.close(number, "false_positive")

        async def undone() -> bool:
            await self.go_on(number)  # letting go of much needs people as well
            query = "SELECT name FROM resources WHERE state NOT IN ('clear', 'settled')"
            held = {row["name"] for row in self.runner.rows(query)}
            query = "SELECT resource FROM holds WHERE incident = ?"
            mine = {row["resource"] for row in self.runner.rows(query, number)}
            return not held & mine

        await self.runner.until(undone, f"what {number} holds to be undone")


def outcomes(incident: dict[str, Any]) -> dict[str, str]:
    """Every change that was begun, in order, and how it is."""
    return {
        change["summary"]: step["state"]
        for step in incident["steps"]
        for change in step["plan"]["changes"]
    }


def settings(
    lab: Lab, cloud: Door, tls: Served, scim: Service, chat: receivers.Receiver, token: Path
) -> dict[str, Any]:
    """Everything that the playbooks can be about."""
    inventory = on_the_lab(lab)["inventory"] | {"clouds": instance.clouds(cloud)["clouds"]}
    access = inventory["points"][1]["access"]
    del inventory["hosts"][1]["protected"]
    inventory["hosts"] += [
        {"name": "edge-1", "addresses": [address("edge2")], "access": access},
        {"name": "tls-1", "access": {"via": "local"}},
    ]
    token.write_text(TOKEN)
    inventory["identity_providers"] = [
        {"kind": "host", "name": "web-1", "accounts": ["shop"]},
        {"kind": "scim", "name": "idp", "base_url": scim.url, "token_file": str(token),
         "accounts": ["shop"]},
    ]  # fmt: skip
    scim.users["1"] = User(id="1", name="shop")
    secrets = [SECRET]
    small = ["/root/kept"]
    return {
        "inventory": inventory,
        "evidence": {
            "scope": {"roots": small, "temporary": small, "logs": small},
            "logs": [{"cloud": "prod"}],
        },
        "sources": {
            "siem": {
                "kind": "generic",
                "auth": {"scheme": "hmac", "header": "X-Signature", "secrets": secrets},
                "mapping": {fact: fact for fact in FACTS},
            }
        },
        "key_rotation": {
            "distribute": "PT1S",
            "keys": [{"name": JWT, "type": "rsa", "size": 2048, "retention_period": "P90D"}],
            "access_keys": [{"name": CLOUD_KEY, "cloud": "prod", "user": "deploy", **QUICK}],
        },
        "certificate_rotation": {
            "authority": {
                "certificate": str(tls.authority.certificate),
                "key": str(tls.authority.key),
            },
            "certificates": [tls.facts],
        },
        "approvals": {"most_asks": 100, "rubber_stamp": "PT0S"},
        "budgets": {"Isolate": 100},
        "tiers": {
            "needs": {
                tier: {"people": people, "stepped_up": 0, "number_match": False}
                for tier, people in (("T0", 0), ("T1", 0), ("T2", 1), ("T3", 2))
            }
        },
        "notify": {
            "channels": {"chat": {"kind": "webhook", "url": chat.url, "secret": receivers.SECRET}},
            "routes": [{"channels": ["chat"]}],
        },
        "people": [
            {"name": "ana", "roles": ["operator"]},
            {"name": "ben", "roles": ["operator"]},
            {"name": "cyd", "roles": ["viewer"], "teams": ["CISO"]},
            {"name": "root", "roles": ["admin"]},
            {
                "name": "vic",
                "roles": ["viewer"],
                "teams": ["Security Team", "Team Lead", "Operations"],
            },
        ],
    }
