"""What an alert means: how urgent it is, which category it is of and what it is about."""

from fnmatch import fnmatchcase

from pydantic import Field

from responder.incident import Alert, Category, Frozen, Name, Priority, Severity

# Each is what a playbook may answer; a playbook of your own may answer another.
CATEGORIES: tuple[str, ...] = (
    "authentication_attack",
    "authentication_bypass",
    "unauthorized_access",
    "privilege_escalation",
    "credential_compromise",
    "system_compromise",
    "ransomware",
    "malware_on_host",
    "data_leak",
    "api_abuse",
    "unusual_traffic",
    "policy_violation",
    "certificate_expiry",
    "key_rotation",
    "access_key_rotation",
    "certificate_rotation",
    "access_review",
    "drill",
)

PRIORITIES: dict[Severity, Priority] = {
    Severity.CRITICAL: Priority.P1,
    Severity.HIGH: Priority.P2,
    Severity.MEDIUM: Priority.P3,
    Severity.LOW: Priority.P4,
    Severity.INFORMATIONAL: Priority.P4,
}

_LONGEST_SUBJECT = 255


class Rule(Frozen):
    """What an alert must be like, all of it, and what it then means. What is not set fits any."""

    kinds: tuple[str, ...] = Field(default=(), description="The source's kind: `wazuh`.")
    sources: tuple[str, ...] = Field(default=(), description="Globs over the source's name.")
    rules: tuple[str, ...] = Field(default=(), description="Globs over the sender's rule.")
    words: tuple[str, ...] = Field(
        default=(), description="One of these is in the title or the rule, in any case."
    )
    techniques: tuple[str, ...] = Field(
        default=(), description="ATT&CK ids; `T1110` takes in `T1110.003`."
    )
    given: tuple[Category, ...] = Field(default=(), description="What the sender calls it.")
    at_least: Severity = Field(
        default=Severity.INFORMATIONAL, description="The lowest severity that fits."
    )
    category: Category = Field(description="The category it then is of.")
    priority: Priority | None = Field(default=None, description="None: by its severity.")

    def fits(self, alert: Alert, kind: str = "") -> bool:
        """Whether the rule speaks about this alert."""
        text = f"{alert.title} {alert.rule}".casefold()
        return (
            alert.severity.rank >= self.at_least.rank
            and (not self.kinds or kind in self.kinds)
            and (not self.sources or _any_glob(self.sources, alert.source))
            and (not self.rules or _any_glob(self.rules, alert.rule))
            and (not self.words or any(word.casefold() in text for word in self.words))
            and (not self.given or alert.category in self.given)
            and (
                not self.techniques
                or any(_is_under(t, own) for t in alert.techniques for own in self.techniques)
            )
        )


def _any_glob(globs: tuple[str, ...], text: str) -> bool:
    return any(fnmatchcase(text, glob) for glob in globs)


def _is_under(technique: str, own: str) -> bool:
    return technique == own or technique.startswith(f"{own}.")


# The first that fits decides; what the sender calls by one of our names is that.
DEFAULT_RULES: tuple[Rule, ...] = (
    *(Rule(given=(category,), category=category) for category in CATEGORIES),
    Rule(
        words=("brute force", "brute-force", "bruteforce", "password spray", "credential stuffing",
               "multiple authentication failures", "multiple failed log"),
        category="authentication_attack",
    ),
    Rule(techniques=("T1110",), category="authentication_attack"),
    Rule(words=("data leak", "data loss", "data breach", "exfiltrat"), category="data_leak"),
    Rule(
        techniques=("T1020", "T1041", "T1048", "T1052", "T1530", "T1537", "T1567"),
        category="data_leak",
    ),
    Rule(
        words=("authentication bypass", "auth bypass", "mfa bypass"),
        category="authentication_bypass",
    ),
    Rule(techniques=("T1556", "T1550", "T1606"), category="authentication_bypass"),
    Rule(words=("ransomware",), category="ransomware"),
    Rule(techniques=("T1486", "T1490"), category="ransomware"),
    Rule(
        words=("web shell", "webshell", "rootkit", "command and control", "reverse shell",
               "compromised host", "system compromise"),
        category="system_compromise",
    ),
    Rule(techniques=("T1071", "T1505", "T1014"), category="system_compromise"),
    Rule(
        words=("leaked key", "leaked credential", "exposed secret", "credential compromise",
               "compromised credential", "stolen credential"),
        category="credential_compromise",
    ),
    Rule(
        techniques=("T1003", "T1528", "T1539", "T1552", "T1555"),
        category="credential_compromise",
    ),
    Rule(
        words=("privilege escalation", "role change", "role_change"),
        category="privilege_escalation",
    ),
    Rule(techniques=("T1068", "T1548", "T1611", "T1098"), category="privilege_escalation"),
    Rule(words=("malware", "trojan", "cryptominer", "virus detected"), category="malware_on_host"),
    Rule(techniques=("T1204", "T1496"), category="malware_on_host"),
    Rule(
        words=("certificate expir", "certificateexpir", "cert expir", "certexpir",
               "certificate will expire", "certificate has expired", "certificate is about to"),
        category="certificate_expiry",
    ),
    Rule(
        words=("api abuse", "api rate", "api_rate", "anomalous api", "rate limit"),
        category="api_abuse",
    ),
    Rule(
        words=("unusual traffic", "traffic anomaly", "port scan", "portscan", "denial of service",
               "ddos"),
        category="unusual_traffic",
    ),
    Rule(techniques=("T1046", "T1498", "T1499", "T1595"), category="unusual_traffic"),
    Rule(
        words=("unauthorized access", "unauthorised access", "sql injection", "cross-site script"),
        category="unauthorized_access",
    ),
    Rule(techniques=("T1190",), category="unauthorized_access"),
    # Senders put valid accounts (T1078) on every sign-in that went well, so not below medium.
    Rule(techniques=("T1078",), at_least=Severity.MEDIUM, category="unauthorized_access"),
    Rule(words=("policy violation",), category="policy_violation"),
)  # fmt: skip


class Triage(Frozen):
    """How alerts are judged: your rules first, then ours, and what happens to the rest."""

    rules: tuple[Rule, ...] = Field(default=(), description="Yours; the first that fits decides.")
    default_rules: bool = Field(default=True, description="Whether ours follow yours.")
    categories: tuple[Category, ...] = Field(
        default=(), description="Categories of your own that senders may name."
    )
    fallback: Category = Field(
        default="policy_violation", description="What no rule knows, below high severity."
    )
    fallback_high: Category = Field(
        default="unauthorized_access", description="What no rule knows, from high severity on."
    )
    dismiss_below: Severity = Field(
        default=Severity.INFORMATIONAL, description="Alerts less severe than this open nothing."
    )


class Assessment(Frozen):
    """What triage made of one alert."""

    priority: Priority
    category: Category
    subject: Name = Field(description="What it is about; open incidents are joined by it.")
    dismissed: str | None = Field(default=None, description="Why it opens nothing, if so.")


def assess(alert: Alert, triage: Triage, kind: str = "") -> Assessment:
    """What *alert*, from a source of *kind*, means by the rules of *triage*."""
    rules = (*triage.rules, *(DEFAULT_RULES if triage.default_rules else ()))
    rule = next((rule for rule in rules if rule.fits(alert, kind)), None)
    if rule is not None:
        category = rule.category
    elif alert.category in triage.categories:
        category = alert.category
    elif alert.severity.rank >= Severity.HIGH.rank:
        category = triage.fallback_high
    else:
        category = triage.fallback
    return Assessment(
        priority=rule.priority if rule and rule.priority else PRIORITIES[alert.severity],
        category=category,
        subject=subject(alert),
        dismissed=_dismissal(alert, triage),
    )


def subject(alert: Alert) -> str:
    """What *alert* is about: where it comes from, else which host, whose account, which rule."""
    if alert.networks:
        network = alert.networks[0]
        single = network.prefixlen == network.max_prefixlen
        return str(network.network_address if single else network)
    for name in (*alert.hosts[:1], *alert.accounts[:1], alert.rule, alert.title, alert.source):
        if name.strip():
            return name[:_LONGEST_SUBJECT]
    return alert.id


def _dismissal(alert: Alert, triage: Triage) -> str | None:
    if alert.over:
        return "the sender says that it is over"
    if alert.severity.rank < triage.dismiss_below.rank:
        return f"its severity is {alert.severity}, below {triage.dismiss_below}"
    return None
