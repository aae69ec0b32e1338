"""
Whether the keys allow what a snapshot and its copy will need: asked before anything is made.

A key that turns out to be unusable after the host is isolated, or gone, cannot be put right.
"""

from collections.abc import Iterable

from activities.aws import Answer, Aws, AwsError
from responder.cloud import SnapshotVault

PERMISSIONS = ("kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants")

_NEEDED = frozenset({"Decrypt", "CreateGrant"})  # of who copies a shared snapshot (EBS User Guide,
# "Share the KMS key used to encrypt a shared Amazon EBS snapshot"), beside DescribeKey


async def faults(
    aws: Aws, volumes: Iterable[Answer], vault_aws: Aws, vault: SnapshotVault
) -> list[str]:
    """Why snapshots of *volumes* could not be copied into the vault, a line each; empty if they can."""
    found = [await _unusable(vault_aws, vault.key)]
    keys = {str(one["KmsKeyId"]): str(one["VolumeId"]) for one in volumes if one.get("KmsKeyId")}
    abroad = vault_aws.cloud.account if vault_aws.cloud.account != aws.cloud.account else ""
    for key, volume in sorted(keys.items()):
        fault = await _unusable(aws, key) or (await _unshared(aws, key, abroad) if abroad else "")
        found.append(f"{volume}: {fault}" if fault else "")
    return [one for one in found if one]


async def _described(aws: Aws, key: str) -> Answer:
    said = await aws.call("kms", "describe_key", KeyId=key)
    metadata: Answer = said["KeyMetadata"]
    return metadata


async def _unusable(aws: Aws, key: str) -> str:
    try:
        state = (await _described(aws, key))["KeyState"]
    except AwsError as error:
        return f"expected the key {key} in {aws.cloud.name}, found {error.code}"
    if state != "Enabled":
        return f"expected the key {key} to be Enabled, found {state}"
    return ""


async def _unshared(aws: Aws, key: str, account: str) -> str:
    """Why *account* could not decrypt with *key*, as far as its policy and grants tell."""
    if (await _described(aws, key)).get("KeyManager") == "AWS":
        return f"expected a key that can be shared with {account}, found {key}, managed by AWS"
    policy = str(
        (await aws.call("kms", "get_key_policy", KeyId=key, PolicyName="default"))["Policy"]
    )
    if f":{account}:" in policy or f'"{account}"' in policy:
        return ""
    for grant in await aws.pages("kms", "list_grants", "Grants", KeyId=key):
        given = _NEEDED.issubset(grant.get("Operations", ()))
        if given and f":{account}:" in str(grant.get("GranteePrincipal", "")):
            return ""
    return f"expected a policy or a grant of the key {key} for {account}, found none"
