"""WAF IP sets at moto: it keeps lock tokens, accepts bad addresses, and moves no packets."""

import json
import uuid
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from activities.aws import Answer, Aws
from activities.providers.waf import WafBlock
from responder.cloud_points import Named, WafPoint
from responder.errors import Unreachable
from responder.incident import Network
from tests.providers.aws.server import Call, Door

ATTACKER = ip_network("203.0.113.9")
ATTACKER_V6 = ip_network("2001:db8::9")
THEIRS = ("198.51.100.0/24", "192.0.2.44/32")
VISIBILITY = {
    "SampledRequestsEnabled": False,
    "CloudWatchMetricsEnabled": False,
    "MetricName": "none",
}


async def ip_set(aws: Aws, version: str, *addresses: str) -> Answer:
    said = await aws.call(
        "wafv2",
        "create_ip_set",
        Name=f"set-{uuid.uuid4().hex[:8]}",
        Scope="REGIONAL",
        Description="kept by the web team",
        IPAddressVersion=version,
        Addresses=list(addresses),
    )
    summary: Answer = said["Summary"]
    return summary


def rule(arn: str, **action: Any) -> Answer:
    return {
        "Name": uuid.uuid4().hex[:8],
        "Priority": 0,
        "Statement": {"IPSetReferenceStatement": {"ARN": arn}},
        "Action": action or {"Block": {}},
        "VisibilityConfig": VISIBILITY,
    }


async def web_acl(aws: Aws, *rules: Answer) -> Named:
    said = await aws.call(
        "wafv2",
        "create_web_acl",
        Name=f"acl-{uuid.uuid4().hex[:8]}",
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        VisibilityConfig=VISIBILITY,
        Rules=list(rules),
    )
    return Named(name=said["Summary"]["Name"], id=said["Summary"]["Id"])


async def a_point(aws: Aws, *theirs: str) -> WafPoint:
    v4, v6 = await ip_set(aws, "IPV4", *theirs), await ip_set(aws, "IPV6")
    return WafPoint(
        name="edge",
        cloud="prod",
        v4=Named(name=v4["Name"], id=v4["Id"]),
        v6=Named(name=v6["Name"], id=v6["Id"]),
        web_acl=await web_acl(aws, rule(v4["ARN"]), rule(v6["ARN"])),
    )


async def held(aws: Aws, named: Named) -> Answer:
    said = await aws.call("wafv2", "get_ip_set", Name=named.name, Id=named.id, Scope="REGIONAL")
    found: Answer = said["IPSet"]
    return found


async def block(resource: WafBlock, state: bool) -> None:
    record = (await resource.read()).record
    await resource.write(state, key="k", until=None, tag="INC-1", record=record)


@pytest.mark.parametrize("network", [ATTACKER, ATTACKER_V6, ip_network("203.0.113.0/24")], ids=str)
async def test_a_network_is_added_beside_the_others_and_taken_out_again(
    aws: Aws, network: Network
) -> None:
    point = await a_point(aws, *THEIRS)
    before = [await held(aws, one) for one in (point.v4, point.v6)]
    resource = WafBlock(aws, network, point)
    assert not (await resource.read()).state

    await block(resource, True)
    assert (await resource.read()).state
    named = point.v4 if network.version == 4 else point.v6
    now = await held(aws, named)
    assert str(network) in now["Addresses"]
    assert now["Description"] == "kept by the web team"

    await block(resource, False)
    assert not (await resource.read()).state
    assert [await held(aws, one) for one in (point.v4, point.v6)] == before


async def test_writing_again_asks_for_no_second_change(aws: Aws, way: Door) -> None:
    resource = WafBlock(aws, ATTACKER, await a_point(aws))
    await block(resource, True)
    way.calls.clear()
    await block(resource, True)
    assert way.changes == []


async def test_a_set_that_changed_meanwhile_is_read_again_and_nobody_is_lost(
    aws: Aws, colleague: Callable[[str], Any], way: Door
) -> None:
    point = await a_point(aws, *THEIRS)
    known = {"Name": point.v4.name, "Id": point.v4.id, "Scope": "REGIONAL"}
    waf = colleague("wafv2")
    raced: list[str] = []

    def race(call: Call) -> tuple[int, str, bytes] | None:
        if call.operation == "UpdateIPSet" and not raced:
            raced.append("192.0.2.77/32")
            token = waf.get_ip_set(**known)["LockToken"]
            waf.update_ip_set(**known, Addresses=[*THEIRS, *raced], LockToken=token)
        return None

    way.answering.append(race)
    way.calls.clear()
    await block(WafBlock(aws, ATTACKER, point), True)
    assert way.changes == ["UpdateIPSet", "UpdateIPSet"], "the first was refused: a stale token"
    expected = {*THEIRS, "192.0.2.77/32", "203.0.113.9/32"}
    assert set((await held(aws, point.v4))["Addresses"]) == expected


async def test_a_race_that_is_lost_every_time_is_unknown_not_done(aws: Aws, way: Door) -> None:
    point = await a_point(aws, *THEIRS)

    def stale(call: Call) -> tuple[int, str, bytes] | None:
        if call.operation != "UpdateIPSet":
            return None
        return 400, "application/x-amz-json-1.1", b'{"__type": "WAFOptimisticLockException"}'

    way.answering.append(stale)
    with pytest.raises(Unreachable, match=r"changed 5 times .* nothing of ours was changed"):
        await block(WafBlock(aws, ATTACKER, point), True)


@pytest.mark.parametrize("action", ["Count", "Allow"])
async def test_a_set_that_no_rule_blocks_contains_nothing_and_is_left_alone(
    aws: Aws, action: str
) -> None:
    v4, v6 = await ip_set(aws, "IPV4"), await ip_set(aws, "IPV6")
    point = WafPoint(
        name="edge",
        cloud="prod",
        v4=Named(name=v4["Name"], id=v4["Id"]),
        v6=Named(name=v6["Name"], id=v6["Id"]),
        web_acl=await web_acl(aws, rule(v4["ARN"], **{action: {}})),
    )
    resource = WafBlock(aws, ATTACKER, point)
    with pytest.raises(
        RuntimeError, match=r"not contained: expected a rule .* nothing was changed"
    ):
        await block(resource, True)
    assert (await held(aws, point.v4))["Addresses"] == []


async def test_an_address_that_is_listed_but_no_longer_blocked_is_not_contained(aws: Aws) -> None:
    point = await a_point(aws)
    await block(WafBlock(aws, ATTACKER, point), True)
    other = point.model_copy(update={"web_acl": await web_acl(aws)})
    found = await WafBlock(aws, ATTACKER, other).read()
    assert not found.state
    assert found.record == {"listed": True}


async def test_a_full_set_is_said_and_left_alone(aws: Aws) -> None:
    # moto has no quota and would take one more: the provider counts for itself.
    full = [f"198.18.{i // 256}.{i % 256}/32" for i in range(10_000)]
    point = await a_point(aws, *full)
    with pytest.raises(
        RuntimeError, match=r"is full: it holds 10000 of 10000 .*nothing was changed"
    ):
        await block(WafBlock(aws, ATTACKER, point), True)
    assert len((await held(aws, point.v4))["Addresses"]) == 10_000


async def test_an_entry_in_another_spelling_is_the_same_network_and_survives_our_undo(
    aws: Aws,
) -> None:
    # moto keeps any text; AWS writes IPv6 in full in its own examples.
    full = "2001:0db8:0000:0000:0000:0000:0000:0009/128"
    v4, v6 = await ip_set(aws, "IPV4"), await ip_set(aws, "IPV6", full)
    point = WafPoint(
        name="edge",
        cloud="prod",
        v4=Named(name=v4["Name"], id=v4["Id"]),
        v6=Named(name=v6["Name"], id=v6["Id"]),
        web_acl=await web_acl(aws, rule(v4["ARN"]), rule(v6["ARN"])),
    )
    resource = WafBlock(aws, ATTACKER_V6, point)
    assert (await resource.read()).state
    await block(resource, True)
    assert (await held(aws, point.v6))["Addresses"] == [full]


async def test_nothing_as_wide_as_everything_is_written(aws: Aws) -> None:
    resource = WafBlock(aws, ip_network("0.0.0.0/0"), await a_point(aws))
    with pytest.raises(ValueError, match="no /0; nothing was changed"):
        await resource.write(True, key="k", until=None, tag="", record=None)


async def test_sets_for_cloudfront_are_asked_for_in_their_own_region(aws: Aws, way: Door) -> None:
    seen: list[str] = []

    def note(call: Call) -> tuple[int, str, bytes] | None:
        if call.operation == "GetIPSet":
            seen.append(json.loads(call.body)["Scope"])
        return None

    point = (await a_point(aws)).model_copy(update={"scope": "CLOUDFRONT"})
    way.answering.append(note)
    with pytest.raises(Exception, match="WAFNonexistentItem"):
        await WafBlock(aws, ATTACKER, point).read()
    assert seen == ["CLOUDFRONT"]
    assert ("wafv2", "us-east-1", 3) in aws._clients
