"""Which segment may talk to which, with the tables of two security architectures as examples."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from responder.inventory import Inventory
from responder.policy.availability import Availability
from responder.policy.segments import Segment, faults, flows, permitted, rendered

TABLE = TypeAdapter(tuple[Segment, ...])

# A flat network in ranges: what may talk is listed at both ends, or at the one that has a list.
RANGES = TABLE.validate_python(
    [
        {"name": "lighthouse", "networks": ["198.51.100.1"]},
        {"name": "monitoring", "networks": ["198.51.100.2-198.51.100.5"]},
        {
            "name": "compute",
            "networks": ["198.51.100.10-198.51.100.19"],
            "allow_from": ["audio", "client"],
            "allow_to": ["monitoring"],
        },
        {
            "name": "audio",
            "networks": ["198.51.100.20-198.51.100.29"],
            "allow_from": ["client"],
            "allow_to": ["compute", "monitoring"],
        },
        {
            "name": "client",
            "networks": ["198.51.100.30-198.51.100.39"],
            "allow_from": ["user devices"],
            "allow_to": ["compute", "audio"],
        },
        {"name": "user devices"},
        {"name": "internet"},
    ]
)
# Tiers, each with its ports: an empty list is "nothing".
TIERS = TABLE.validate_python(
    [
        {"name": "load balancer"},
        {
            "name": "api",
            "allow_from": [{"segment": "load balancer", "ports": [443]}],
            "allow_to": [{"segment": "service", "ports": [8080]}],
        },
        {
            "name": "service",
            "allow_from": [{"segment": "api", "ports": [8080]}],
            "allow_to": [{"segment": "data", "ports": [5432, 6379]}],
        },
        {
            "name": "data",
            "allow_from": [{"segment": "service", "ports": [5432, 6379]}],
            "allow_to": [],
        },
    ]
)


def said(table: tuple[Segment, ...]) -> dict[tuple[str, str], list[str]]:
    """Everything that is permitted, in words."""
    names = [segment.name for segment in table]
    found = {(a, b): [str(s) for s in permitted(table, a, b)] for a in names for b in names}
    return {ends: services for ends, services in found.items() if services}


def test_a_table_of_ranges_permits_exactly_what_it_lists() -> None:
    assert said(RANGES) == {
        ("audio", "compute"): ["any"],
        ("client", "compute"): ["any"],
        ("compute", "monitoring"): ["any"],
        ("audio", "monitoring"): ["any"],
        ("client", "audio"): ["any"],
        ("user devices", "client"): ["any"],
    }


def test_a_table_of_tiers_permits_exactly_its_ports() -> None:
    assert said(TIERS) == {
        ("load balancer", "api"): ["tcp/443"],
        ("api", "service"): ["tcp/8080"],
        ("service", "data"): ["tcp/5432", "tcp/6379"],
    }


@pytest.mark.parametrize(
    ("allow_to", "allow_from", "expected"),
    [
        (None, None, []),
        (None, [], []),
        ([], None, []),
        (["b"], None, ["any"]),
        (None, ["a"], ["any"]),
        (["b"], [], []),
        ([], ["a"], []),
        (["b"], ["a"], ["any"]),
        ([{"segment": "b", "ports": ["80-90"]}], ["a"], ["tcp/80-90"]),
        ([{"segment": "b", "ports": ["80-90"]}], [{"segment": "a", "ports": [85, 99]}], ["tcp/85"]),
        ([{"segment": "b", "protocol": "tcp"}], [{"segment": "a", "ports": [85]}], ["tcp/85"]),
        ([{"segment": "b", "protocol": "udp"}], [{"segment": "a", "ports": [85]}], []),
        ([{"segment": "b", "ports": ["80-90"]}], [{"segment": "a", "ports": ["91-99"]}], []),
        ([{"segment": "b", "protocol": "icmp"}], [{"segment": "a", "protocol": "any"}], ["icmp"]),
    ],
)
def test_both_ends_must_permit_and_an_end_without_a_list_leaves_it_to_the_other(
    allow_to: object, allow_from: object, expected: list[str]
) -> None:
    table = TABLE.validate_python(
        [{"name": "a", "allow_to": allow_to}, {"name": "b", "allow_from": allow_from}]
    )
    assert [str(service) for service in permitted(table, "a", "b")] == expected


def test_the_flows_of_a_host_are_told_line_by_line() -> None:
    assert rendered(RANGES, "audio") == (
        "from client (198.51.100.30/31, 198.51.100.32/29): any",
        "to monitoring (198.51.100.2/31, 198.51.100.4/31): any",
        "to compute (198.51.100.10/31, 198.51.100.12/30, 198.51.100.16/30): any",
    )
    assert rendered(TIERS, "data") == (
        "from service (no address): tcp/5432",
        "from service (no address): tcp/6379",
    )
    assert rendered(RANGES, "internet") == ("internet: nothing",)


def test_an_isolated_host_keeps_what_its_quarantine_segment_has() -> None:
    inventory = inventory_of(
        segments=[
            {"name": "management", "networks": ["198.51.100.0/29", "2001:db8:1::/64"]},
            {"name": "evidence", "networks": ["198.51.100.64/28"]},
            {"name": "servers", "networks": ["198.51.100.128/25"]},
            {
                "name": "quarantine",
                "allow_from": [{"segment": "management", "ports": [22]}],
                "allow_to": [{"segment": "evidence", "ports": [22, 8443]}],
            },
        ],
        isolation={"segment": "quarantine", "evidence": ["203.0.113.6"]},
    )
    assert [str(flow) for flow in inventory.kept] == [
        "to evidence (203.0.113.6/32): tcp/22",
        "from management (198.51.100.0/29, 2001:db8:1::/64): tcp/22",
        "to evidence (198.51.100.64/28): tcp/22",
        "to evidence (198.51.100.64/28): tcp/8443",
    ]
    assert flows(inventory.segments, "servers") == ()


def inventory_of(**given: Any) -> Inventory:
    return Inventory.model_validate({"points": [], **given})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"segments": [{"name": "a", "networks": ["198.51.100.1-198.51.100.10"]},
                          {"name": "b", "networks": ["198.51.100.10-198.51.100.19"]}]},
            "segments a (198.51.100.10/32) and b (198.51.100.10/31) overlap",
        ),
        (
            {"segments": [{"name": "a", "networks": ["2001:db8::/32"]},
                          {"name": "b", "networks": ["2001:db8:1::/48"]}]},
            "segments a (2001:db8::/32) and b (2001:db8:1::/48) overlap",
        ),
        ({"segments": [{"name": "a"}, {"name": "a"}]}, "two segments are named a"),
        (
            {"segments": [{"name": "a", "allow_to": ["b"]}, {"name": "c"}]},
            "segment a names b; known: a, c",
        ),
        (
            {"segments": [{"name": "a"}], "hosts": [{"name": "web1", "segment": "b"}]},
            "host web1 is in segment b; known: a",
        ),
        (
            {"segments": [{"name": "a", "networks": ["198.51.100.0/28"]}],
             "hosts": [{"name": "web1", "segment": "a", "addresses": ["198.51.100.99"]}]},
            "host web1 is in segment a, and 198.51.100.99 is not",
        ),
        ({"isolation": {"segment": "quarantine"}}, "isolation.segment is quarantine; known segments: none"),
        (
            {"switches": [{"name": "sw1", "access": {"via": "local"},
                           "ports": [{"host": "web1", "interface": "eth1"}]}]},
            "switch sw1 has a port of web1, which is not in the inventory",
        ),
        (
            {"hosts": [{"name": n, "quorum": {"group": "etcd", "size": s}} for n, s in (("a", 3), ("b", 5))]},
            "quorum etcd: its members give it sizes 3, 5",
        ),
        (
            {"hosts": [{"name": n, "quorum": {"group": "etcd", "size": 1}} for n in "ab"]},
            "quorum etcd: of size 1, with 2 members",
        ),
    ],
)  # fmt: skip
def test_a_table_that_contradicts_itself_is_a_fault_of_one_line(
    given: Mapping[str, Any], expected: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        inventory_of(**given)
    (fault,) = caught.value.errors()
    assert fault["msg"] == f"Value error, {expected}"


@pytest.mark.parametrize(
    "segment",
    [
        {"name": "a", "networks": ["198.51.100.9-198.51.100.1"]},
        {"name": "a", "networks": ["198.51.100.1-2001:db8::1"]},
        {"name": "a", "networks": ["198.51.100.1/24"]},
        {"name": "a", "networks": ["010.0.0.1"]},
        {"name": "a", "allow_to": [{"segment": "b", "ports": ["90-80"]}]},
        {"name": "a", "allow_to": [{"segment": "b", "ports": [65536]}]},
        {"name": "a", "allow_to": [{"segment": "b", "protocol": "icmp", "ports": [1]}]},
        {"name": "a", "allow_to": [{"segment": "b", "prots": [1]}]},
    ],
)
def test_what_no_network_could_mean_is_refused(segment: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Segment.model_validate(segment)


def test_the_examples_of_the_how_to_are_accepted() -> None:
    text = (Path(__file__).parents[2] / "docs/how-to/isolate.md").read_text()
    found = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert len(found) == 7
    for example in found:
        inventory_of(**example.get("inventory", {}))
        Availability.model_validate(example.get("availability", {}))
    tiers, ranges = (inventory_of(**found[n]["inventory"]).segments for n in (3, 2))
    assert said(tiers) == said(TIERS)
    assert said(ranges) == said(RANGES)


def test_hosts_of_no_segment_and_tables_of_none_are_no_fault() -> None:
    assert faults((), {"web1": ("anything", (ip_address("198.51.100.1"),))}) == ()
    assert (
        faults(RANGES, {"web1": ("", ()), "ui": ("user devices", (ip_address("203.0.113.1"),))})
        == ()
    )
