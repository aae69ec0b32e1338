"""What the runner depends on is never cut off, and a refusal says what it is."""

import socket
import time
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from responder.doctor import _protected
from responder.incident import Indicators, Priority
from responder.inventory import Inventory
from responder.policy.judge import Case, judge
from responder.policy.tiers import Ruling, Tier
from responder.settings import Settings
from responder.surroundings import relied_on, resolved, surroundings

KEY = "ssh-ed25519 AAAA"


def ssh(address: str) -> dict[str, Any]:
    return {"via": "ssh", "address": address, "key_file": "/nowhere", "host_key": KEY}


def settings(tmp_path: Path, **more: Any) -> Settings:
    """Everything far away, each at an address of its own."""
    given: dict[str, Any] = {
        "state": tmp_path,
        "store": "postgresql+psycopg://us@198.51.100.31:5432/responder",
        "temporal": {"address": "198.51.100.32:7233"},
        "api": {"host": "198.51.100.33"},
        "mail": {"host": "198.51.100.34", "sender": "us@example.org"},
        "notify": {
            "channels": {
                "chat": {"kind": "webhook", "url": "https://198.51.100.37/hook", "secret": "x"}
            }
        },
        "inventory": {
            "hosts": [
                {"name": "fw1", "addresses": ["198.51.100.36", "203.0.113.9"]},
                {"name": "temporal-1", "addresses": ["198.51.100.32"]},
                {"name": "mail-1", "addresses": ["198.51.100.34"]},
                {"name": "web-1", "addresses": ["198.51.100.10"]},
            ],
            "points": [
                {"kind": "nftables", "name": "fra1", "access": ssh("203.0.113.9")},
                {"kind": "iptables", "name": "old1", "access": ssh("203.0.113.13")},
                {"kind": "nftables", "name": "here", "access": {"via": "local"}},
                {"kind": "feed", "name": "blocked"},
            ],
            "switches": [
                {
                    "name": "sw1",
                    "access": ssh("198.51.100.38"),
                    "ports": [{"host": "web-1", "interface": "eth1"}],
                }
            ],
            "isolation": {"management": ["198.51.100.35"]},
        },
    }
    return Settings(**(given | more))


def ruled(given: Settings, *, network: str = "", host: str = "", tier: Tier = Tier.T2) -> str:
    """Why policy refuses a block of *network* or a change to *host*; empty if it does not."""
    touches = Indicators(
        networks=(ip_network(network),) if network else (), hosts=(host,) if host else ()
    )
    case = Case(
        kind="Isolate" if host else "Block",
        summary="it",
        tier=tier,
        lasts=timedelta(hours=1),
        reversible=True,
        touches=touches,
    )
    policy = given.policy(surroundings(given))
    (verdict,) = judge(policy, [case], priority=Priority.P1, indicators=touches, used={})
    return verdict.reason if verdict.ruling is Ruling.REFUSE else ""


@pytest.mark.parametrize(
    ("network", "what"),
    [
        ("203.0.113.9/32", "the address of enforcement point fra1"),
        ("203.0.113.8/30", "the address of enforcement point fra1"),
        ("::ffff:203.0.113.9/128", "the address of enforcement point fra1"),
        ("198.51.100.31/32", "the address of the store"),
        ("198.51.100.32/32", "the address of Temporal"),
        ("198.51.100.33/32", "the address of our API"),
        ("198.51.100.34/32", "the address of the mail server"),
        ("203.0.113.13/32", "the address of enforcement point old1"),
        ("198.51.100.38/32", "the address of switch sw1"),
        ("198.51.100.37/32", "the address of the channel chat"),
        ("198.51.100.35/32", "an address that hosts are managed from"),
    ],
)
def test_what_the_settings_name_is_never_blocked_and_the_refusal_says_what_it_is(
    tmp_path: Path, network: str, what: str
) -> None:
    assert f"{ip_network(network)} is {what}" in ruled(settings(tmp_path), network=network)
    assert what not in ruled(settings(tmp_path, protect_surroundings=False), network=network)


def test_who_stands_beside_them_is_blocked_as_ever(tmp_path: Path) -> None:
    assert not ruled(settings(tmp_path), network="203.0.113.10/32")


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("fw1", "the address of enforcement point fra1 (203.0.113.9/32)"),
        ("temporal-1", "the address of Temporal (198.51.100.32/32)"),
    ],
)
def test_a_host_that_carries_what_we_need_is_never_isolated_but_can_be_read(
    tmp_path: Path, host: str, what: str
) -> None:
    given = settings(tmp_path)
    said = ruled(given, host=host)
    assert said == f"{host} has {what}: cut off from it, we could undo nothing"
    assert not ruled(given, host=host, tier=Tier.T0), "evidence is taken from it all the same"
    assert not ruled(settings(tmp_path, protect_surroundings=False), host=host)


@pytest.mark.parametrize("host", ["mail-1", "web-1"])
def test_other_hosts_are_isolated_the_mail_server_too(tmp_path: Path, host: str) -> None:
    assert not ruled(settings(tmp_path), host=host)


def test_this_machine_itself_is_never_isolated(tmp_path: Path) -> None:
    inventory = {"hosts": [{"name": "runner", "addresses": ["127.0.0.1"]}], "points": []}
    said = ruled(settings(tmp_path, inventory=inventory), host="runner")
    assert said.startswith("runner has an address of this machine (127.0.0.1/32)")


def test_names_are_resolved_and_what_has_none_is_left_out(tmp_path: Path) -> None:
    found = resolved(["localhost", "203.0.113.9", "fe80::1%eth0", "nowhere.invalid", "a" * 80])
    assert ip_network("127.0.0.1") in found["localhost"] or ip_network("::1") in found["localhost"]
    assert found["203.0.113.9"] == (ip_network("203.0.113.9"),)
    assert found["fe80::1%eth0"] == (ip_network("fe80::1"),)
    assert set(found) == {"localhost", "203.0.113.9", "fe80::1%eth0"}


def test_a_resolver_that_does_not_answer_holds_up_the_start_for_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = Event()

    def silent(*_: object, **__: object) -> None:
        over.wait(20)
        raise OSError

    monkeypatch.setattr("responder.surroundings._SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", silent)
    began = time.monotonic()
    assert resolved(["one.example", "two.example", "203.0.113.9"]).keys() == {"203.0.113.9"}
    assert time.monotonic() - began < 5
    over.set()


@pytest.mark.parametrize(
    ("store", "hosts"),
    [
        (None, []),
        ("postgresql+psycopg://us:secret@db.example:5432/r", ["db.example"]),
        ("postgresql+psycopg://us@/r?host=/run/postgresql", []),
        ("postgresql+psycopg://us@/r?host=a.example:1,b.example:2", ["a.example", "b.example"]),
        ("postgresql+psycopg://us@[2001:db8::5]/r", ["2001:db8::5"]),
    ],
)
def test_the_store_s_hosts_are_read_from_its_url(
    tmp_path: Path, store: str | None, hosts: list[str]
) -> None:
    things = relied_on(settings(tmp_path, store=store))
    assert [thing.host for thing in things if thing.name == "the address of the store"] == hosts


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - which nobody listens on here
def test_listening_everywhere_protects_no_address_of_its_own(tmp_path: Path, host: str) -> None:
    names = [thing.name for thing in relied_on(settings(tmp_path, api={"host": host}))]
    assert "the address of our API" not in names


def test_slack_is_relied_on_where_people_decide_there(tmp_path: Path) -> None:
    slack = {
        "bot_token": "xoxb-1",
        "app_token": "xapp-1",
        "team": "T0LAB",
        "app": "A0LAB",
        "channel": "C0IR",
    }
    hosts = {thing.host for thing in relied_on(settings(tmp_path, slack=slack))}
    assert {"slack.com", "wss-primary.slack.com", "hooks.slack.com"} <= hosts


def test_what_an_account_would_be_disabled_at_is_relied_on(tmp_path: Path) -> None:
    idp = {"name": "idp", "base_url": "https://[2001:db8::9]:8443/scim/v2", "token_env": "T"}
    given = settings(tmp_path)
    inventory = given.inventory.model_dump() | {"identity_providers": [{"kind": "scim", **idp}]}
    things = relied_on(given.model_copy(update={"inventory": Inventory.model_validate(inventory)}))
    named = "the address of identity provider idp"
    assert [thing.host for thing in things if thing.name == named] == ["2001:db8::9"]


async def test_doctor_warns_of_a_name_that_cannot_be_resolved(tmp_path: Path) -> None:
    given = settings(tmp_path, temporal={"address": "temporal.invalid:7233"})
    found = await _protected(given)
    assert found.state == "warn"
    assert "the address of Temporal (temporal.invalid)" in found.found
    assert (await _protected(settings(tmp_path))).state == "ok"
