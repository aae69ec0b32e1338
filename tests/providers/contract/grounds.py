"""Every provider that the one suite runs over: a new one is one line."""

from tests.providers.contract import aws, hosts, identity
from tests.providers.contract.ground import Ground

GROUNDS: tuple[type[Ground], ...] = (
    aws.DeactivatedKey,
    aws.DeletedKey,
    aws.CreatedKey,
    aws.QuarantinedUser,
    aws.EndedUserSessions,
    aws.EndedRoleSessions,
    aws.RotatedKmsKey,
    aws.LoggedVpc,
    aws.IsolatedInstance,
    identity.ScimGround,
    hosts.AccountGround,
    hosts.SessionsGround,
    hosts.RestrictionGround,
    hosts.FlowLogGround,
    hosts.SshdGround,
)
