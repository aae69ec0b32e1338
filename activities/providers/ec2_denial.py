"""The inline policy that denies one instance's sessions everything, whoever shares its role."""

import json
from urllib.parse import unquote

from pydantic import JsonValue

from activities.aws import Answer, Aws, AwsError
from responder.cloud import Cloud


def arn(cloud: Cloud, instance: str) -> str:
    """The ARN of an instance (Service Authorization Reference, "Resource types of Amazon EC2")."""
    return f"arn:{cloud.partition}:ec2:{cloud.region}:{cloud.account}:instance/{instance}"


def denial_name(instance: str) -> str:
    """The name of the inline policy that denies an instance's sessions everything."""
    return f"responder-isolation-{instance}"


def denial(cloud: Cloud, instance: str) -> Answer:
    """
    A policy that denies everything to what was issued to one instance.

    `ec2:SourceInstanceARN` is in every request that is signed with credentials of an instance's
    metadata, wherever they were carried (IAM User Guide, "Condition keys for EC2"): so the sessions
    of other instances with the same role go on, and new ones of this instance are denied as well.
    """
    statement = {
        "Sid": "ResponderIsolation",
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"ArnEquals": {"ec2:SourceInstanceARN": arn(cloud, instance)}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


async def policy_of(aws: Aws, role: str, name: str) -> JsonValue:
    """An inline policy of a role, or None."""
    try:
        said = await aws.call("iam", "get_role_policy", RoleName=role, PolicyName=name)
    except AwsError as error:
        if error.code == "NoSuchEntity":
            return None
        raise
    document = said["PolicyDocument"]
    found: JsonValue = (
        json.loads(unquote(document)) if isinstance(document, str) else dict(document)
    )
    return found
