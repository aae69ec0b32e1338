"""Every provider that the one suite runs over: a new one is one line."""

from tests.providers.contract import aws, hosts, iam, identity, isolation, key_versions, ssh_keys
from tests.providers.contract.ground import Ground

GROUNDS: tuple[type[Ground], ...] = (
    iam.DeactivatedKey,
    iam.DeletedKey,
    iam.CreatedKey,
    iam.QuarantinedUser,
    iam.EndedUserSessions,
    iam.EndedRoleSessions,
    aws.RotatedKmsKey,
    aws.LoggedVpc,
    aws.IsolatedInstance,
    aws.RevokedRules,
    identity.ScimGround,
    hosts.AccountGround,
    hosts.SessionsGround,
    hosts.RestrictionGround,
    hosts.FlowLogGround,
    hosts.SshdGround,
    ssh_keys.RemovedKey,
    ssh_keys.AddedKey,
    ssh_keys.ListedKey,
    isolation.IsolatedHost,
    isolation.IsolatedPort,
    key_versions.AddedVersion,
    key_versions.PromotedVersion,
    key_versions.RevokedVersion,
    key_versions.DestroyedVersion,
)

_BLOCKS = (
    "the contract of blocking, `tests/providers/test_block_contract.py`, which also sends packets"
)
_EVIDENCE = (
    "its own tests: what is taken is new each time and is never given back, so that the promises are "
    "those of evidence: `tests/forensics` and `tests/providers/aws`"
)
ELSEWHERE = {
    "feed": _BLOCKS,
    "ipset": _BLOCKS,
    "nacl": _BLOCKS,
    "nftables": _BLOCKS,
    "pf": _BLOCKS,
    "waf": _BLOCKS,
    "nebula": "the contract of isolation, `tests/providers/test_isolation_contract.py`, at daemons of a mesh",
    "certificates": "its own tests, `tests/providers/test_certificates.py`: a renewed certificate is not held",
    "nebula_certificate": "its own tests, `tests/providers/test_nebula_certificate.py`: a new certificate is "
    "not held",
    "cloud_logs": _EVIDENCE,
    "ebs": _EVIDENCE,
    "live_response": _EVIDENCE,
}
"""Providers that this suite does not run over, and what tries them instead."""
