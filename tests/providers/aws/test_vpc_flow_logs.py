"""VPC flow logs at moto: it keeps them and delivers nothing, so what is logged is not seen here."""

import pytest

from activities.aws import Aws
from activities.monitoring import Monitoring
from activities.providers.vpc_flow_logs import VpcFlowLogs
from responder.errors import Unreachable
from responder.monitoring import Vpc
from tests.providers.aws.server import Door

RAISED, NORMAL = Monitoring.RAISED, Monitoring.NORMAL
BUCKET = "arn:aws:s3:::flow-logs-of-incidents"
ROLE = "arn:aws:iam::123456789012:role/flow-logs"


@pytest.fixture
async def vpc(aws: Aws) -> Vpc:
    made = (await aws.call("ec2", "create_vpc", CidrBlock="10.9.0.0/16"))["Vpc"]["VpcId"]
    for group in (f"ours-{made}", f"theirs-{made}"):
        await aws.call("logs", "create_log_group", logGroupName=group)
    return Vpc(name="prod-vpc", cloud="prod", id=made, log_group=f"ours-{made}", role_arn=ROLE)


async def raised(point: VpcFlowLogs, key: str = "step") -> None:
    await point.write(RAISED, key=key, until=None, tag="INC-2026-0001", record={"made": []})


async def lowered(point: VpcFlowLogs) -> None:
    await point.write(NORMAL, key="undo", until=None, tag="", record={"made": []})


async def listed(aws: Aws, vpc: Vpc) -> list[dict[str, object]]:
    named = [{"Name": "resource-id", "Values": [vpc.id]}]
    return await aws.pages("ec2", "describe_flow_logs", "FlowLogs", Filter=named)


async def theirs(aws: Aws, vpc: Vpc, traffic: str, seconds: int) -> str:
    made = await aws.call(
        "ec2",
        "create_flow_logs",
        ResourceType="VPC",
        ResourceIds=[vpc.id],
        TrafficType=traffic,
        MaxAggregationInterval=seconds,
        LogDestinationType="cloud-watch-logs",
        LogGroupName=f"theirs-{vpc.id}",
        DeliverLogsPermissionArn=ROLE,
    )
    return str(made["FlowLogIds"][0])


async def test_one_log_of_all_traffic_is_made_and_only_that_one_goes_again(
    aws: Aws, vpc: Vpc, way: Door
) -> None:
    other = await theirs(aws, vpc, "REJECT", 600)
    point = VpcFlowLogs(aws, vpc)
    before = await point.read()
    assert (before.state, before.record) == (NORMAL, {"made": []})
    for _ in range(2):
        await raised(point)
    found = await point.read()
    ours = [log for log in await listed(aws, vpc) if log["FlowLogId"] != other]
    assert (found.state, found.record) == (RAISED, {"made": [ours[0]["FlowLogId"]]})
    assert len(ours) == 1
    assert (ours[0]["TrafficType"], ours[0]["MaxAggregationInterval"]) == ("ALL", 60)
    assert ours[0]["Tags"] == [{"Key": "responder", "Value": "INC-2026-0001"}]
    for _ in range(2):
        await lowered(point)
        assert await point.read() == before
    assert [log["FlowLogId"] for log in await listed(aws, vpc)] == [other]


async def test_a_log_that_was_as_thorough_already_is_enough_and_stays(aws: Aws, vpc: Vpc) -> None:
    other = await theirs(aws, vpc, "ALL", 60)
    point = VpcFlowLogs(aws, vpc)
    assert (await point.read()).state is RAISED
    await raised(point)
    await lowered(point)
    assert [log["FlowLogId"] for log in await listed(aws, vpc)] == [other]


async def test_a_lost_answer_leaves_one_log(aws: Aws, vpc: Vpc, way: Door) -> None:
    point = VpcFlowLogs(aws, vpc)
    way.kill_at(1, lose_answer=True)
    with pytest.raises(Unreachable):
        await raised(point)
    way.revive()
    await raised(point)
    assert len(await listed(aws, vpc)) == 1


async def test_a_vpc_that_is_not_there_is_said(aws: Aws, vpc: Vpc) -> None:
    gone = VpcFlowLogs(aws, vpc.model_copy(update={"id": "vpc-00000000000000000"}))
    assert (await gone.read()).state is NORMAL
    with pytest.raises(Exception, match="vpc-00000000000000000"):
        await raised(gone)


async def test_nobody_there_is_unknown(aws: Aws, vpc: Vpc, way: Door) -> None:
    way.dead = True
    with pytest.raises(Unreachable):
        await VpcFlowLogs(aws, vpc).read()


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"bucket": BUCKET, "log_group": "logs"},
        {"log_group": "logs"},
        {"bucket": BUCKET, "role_arn": ROLE},
    ],
    ids=str,
)
def test_a_vpc_whose_logs_would_go_nowhere_is_refused(where: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="v: expected"):
        Vpc.model_validate({"name": "v", "cloud": "prod", "id": "vpc-12345678", **where})
