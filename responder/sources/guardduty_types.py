"""What GuardDuty's finding types mean: an ATT&CK technique and a category of ours."""

from fnmatch import fnmatchcase

# The first that fits counts, so the narrow ones come first.
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    ("*BruteForce*", "T1110", "authentication_attack"),
    ("CredentialAccess:RDS/*FailedLogin*", "T1110", "authentication_attack"),
    ("AttackSequence:S3/*", "T1530", "data_leak"),
    ("AttackSequence:IAM/*", "T1078.004", "credential_compromise"),
    ("AttackSequence:*", "", "system_compromise"),
    ("Exfiltration:*", "T1530", "data_leak"),
    ("*InstanceCredentialExfiltration*", "T1552.005", "credential_compromise"),
    ("*MetadataDNSRebind*", "T1552.005", "credential_compromise"),
    ("*ConsoleLogin*", "T1078.004", "credential_compromise"),
    ("CredentialAccess:*", "T1552", "credential_compromise"),
    ("Persistence:IAMUser/*", "T1098", "credential_compromise"),
    ("PrivilegeEscalation:Runtime/*", "T1611", "privilege_escalation"),
    ("PrivilegeEscalation:Kubernetes/*", "T1611", "privilege_escalation"),
    ("PrivilegeEscalation:*", "T1098", "privilege_escalation"),
    ("CryptoCurrency:*", "T1496", "malware_on_host"),
    ("*BitcoinTool*", "T1496", "malware_on_host"),
    ("*MaliciousFile*", "T1204.002", "malware_on_host"),
    ("*BlackholeTraffic*", "T1071", "malware_on_host"),
    ("Trojan:*", "T1071", "malware_on_host"),
    ("Backdoor:*/DenialOfService*", "T1498", "system_compromise"),
    ("Backdoor:*", "T1071", "system_compromise"),
    ("*Tor*", "T1090.003", "unauthorized_access"),
    ("Recon:*/Port*", "T1046", "unusual_traffic"),
    ("Recon:*", "T1595", "api_abuse"),
    ("Behavior:*", "", "unusual_traffic"),
    ("Discovery:*", "T1526", "api_abuse"),
    ("PenTest:*", "T1526", "api_abuse"),
    ("Policy:*", "", "policy_violation"),
    ("Stealth:*", "T1562.008", "unauthorized_access"),
    ("DefenseEvasion:*", "T1562", "unauthorized_access"),
    ("InitialAccess:*", "T1078", "unauthorized_access"),
    ("UnauthorizedAccess:*", "", "unauthorized_access"),
)


def meaning(kind: str) -> tuple[str, str | None]:
    """The technique and the category of a finding type; empty and None if we know no better."""
    for pattern, technique, category in _MEANINGS:
        if fnmatchcase(kind, pattern):
            return technique, category
    return "", None
