"""The judgement: a batch of changes in, a tier and a ruling for each out. Pure, and fails closed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from ipaddress import IPv4Network

from pydantic import Field

from responder.digest import digest_of, material
from responder.incident import Frozen, Indicators, Network, Priority
from responder.policy.accounts import CLOSING, ProtectedAccounts, protected_account
from responder.policy.availability import Asset, Availability, loss
from responder.policy.duties import REGIMES, Regime
from responder.policy.networks import INTERNAL, Protected, overlap, protection
from responder.policy.shared import Shared, objections
from responder.policy.sla import MATRIX, Targets
from responder.policy.tiers import Ruling, Tier, TierRules


class Policy(Frozen):
    """All the data that rulings are made from; its version is the digest of it."""

    tiers: TierRules = TierRules()
    sla: dict[Priority, Targets] = MATRIX
    protected: tuple[Protected, ...] = (INTERNAL,)
    shared: tuple[Shared, ...] = ()
    budgets: dict[str, int] = Field(
        default={
            "Block": 100,
            "Isolate": 5,
            "Restrict": 100,
            "DisableAccount": 5,
            "RevokeSessions": 5,
        },
        description="How many changes of an action may begin in one hour, over all incidents.",
    )
    approve_within: dict[Priority, timedelta] = Field(
        default={
            Priority.P1: timedelta(minutes=15),
            Priority.P2: timedelta(minutes=30),
            Priority.P3: timedelta(hours=4),
            Priority.P4: timedelta(hours=24),
        },
        description="How long an ask waits for people before it expires and is escalated.",
    )
    duties: dict[str, Regime] = REGIMES
    execute_within: timedelta = Field(
        default=timedelta(minutes=15),
        description="How long after the last approval the first effect may begin.",
    )
    largest_batch: int = Field(default=200, description="Actions that one `do` may hold.")
    assets: tuple[Asset, ...] = ()
    protected_accounts: tuple[ProtectedAccounts, ...] = ()
    closing: tuple[str, ...] = CLOSING
    availability: Availability = Availability()
    standing: dict[str, tuple[str, ...]] = Field(
        default={},
        description="Kinds of change that are approved in advance, each with the accounts or keys for "
        "which it is.",
    )

    @property
    def version(self) -> str:
        """SHA-256 of the data, in hex."""
        return digest_of(material(self))


class Case(Frozen):
    """One action before the judge."""

    kind: str
    summary: str
    tier: Tier
    lasts: timedelta | None
    reversible: bool = Field(description="Whether it can be undone, or comes right by itself.")
    touches: Indicators


class Verdict(Frozen):
    """What the judge says of one action."""

    tier: Tier
    ruling: Ruling
    reason: str = ""


def judge(
    policy: Policy,
    cases: Sequence[Case],
    *,
    priority: Priority,
    indicators: Indicators,
    used: Mapping[str, int],
    isolated: Collection[str] = (),
) -> tuple[Verdict, ...]:
    """
    Rule on *cases*, one batch of an incident of *priority* that its alerts tie to *indicators*.

    *used* counts the changes of each kind that began in the last hour; *isolated* are the hosts that
    are held isolated now. What no authenticated alert named is never done without a person, so a
    forged request for work gains nothing.
    """
    if len(cases) > policy.largest_batch:
        reason = f"{len(cases)} actions at once; policy allows {policy.largest_batch}"
        return tuple(Verdict(tier=Tier.T3, ruling=Ruling.REFUSE, reason=reason) for _ in cases)
    hosts = {host for case in cases for host in case.touches.hosts}
    spent, gone = dict(used), set(isolated)
    verdicts = []
    for case in cases:
        if reason := _never(policy, case, spent) or _lost(policy, case, gone):
            verdicts.append(Verdict(tier=Tier.T3, ruling=Ruling.REFUSE, reason=reason))
            continue
        spent[case.kind] = spent.get(case.kind, 0) + 1
        if case.kind in policy.availability.kinds:
            gone.update(case.touches.hosts)
        tier, why = _shared(policy, case, _tier(policy, case, many_hosts=len(hosts) > 1))
        named = _within(case.touches, indicators)
        if not named:
            tier, why = _higher((tier, why), (Tier.T2, "no alert of this incident names it"))
        if named and _standing(policy, case):
            reason = "the settings approve it in advance"
            verdicts.append(Verdict(tier=tier, ruling=Ruling.ALLOW, reason=reason))
            continue
        verdicts.append(_rule(policy, tier, why, priority=priority))
    return tuple(verdicts)


def _standing(policy: Policy, case: Case) -> bool:
    """Whether whoever writes the settings approved it: one kind of change, of what they named."""
    named = policy.standing.get(case.kind, ())
    touches = case.touches
    only_accounts = bool(touches.accounts) and not touches.hosts and not touches.networks
    return only_accounts and all(name in named for name in touches.accounts)


def _rule(policy: Policy, tier: Tier, why: str, *, priority: Priority) -> Verdict:
    needs = policy.tiers.needs.get(tier)
    if needs is None:
        return Verdict(tier=tier, ruling=Ruling.REFUSE, reason=f"policy has no rule for {tier}")
    if needs.people:
        people = f"{needs.people} {'person' if needs.people == 1 else 'people'}"
        reason = f"{tier} needs {people}" + (f": {why}" if why else "")
        return Verdict(tier=tier, ruling=Ruling.ASK, reason=reason)
    if tier is Tier.T1 and priority not in policy.tiers.alone_at:
        return Verdict(tier=tier, ruling=Ruling.ASK, reason=f"{tier} asks at {priority}")
    reason = f"{tier} is allowed at {priority}" + (f": {why}" if why else "")
    return Verdict(tier=tier, ruling=Ruling.ALLOW, reason=reason)


def _never(policy: Policy, case: Case, spent: Mapping[str, int]) -> str:
    """Why *case* is refused whoever approves it; empty if it is not."""
    return (
        _never_a_network(policy, case)
        or _never_a_host(policy, case)
        or _never_an_account(policy, case)
        or _over_budget(policy, case, spent)
    )


def _never_a_network(policy: Policy, case: Case) -> str:
    for network in case.touches.networks:
        widest = _by_version(network, policy.tiers.widest_v4, policy.tiers.widest_v6)
        if network.prefixlen < widest:
            return f"{network} is wider than /{widest}"
        if why := protection(network, policy.protected):
            return why
        for asset in policy.assets:
            if any(overlap(network, held) for held in asset.networks):
                return f"{network} is ours ({asset.name}); isolate {asset.name} instead"
    return ""


def _never_a_host(policy: Policy, case: Case) -> str:
    known = {asset.name: asset for asset in policy.assets}
    for host in case.touches.hosts:
        if host not in known:
            return f"{host} is not in the inventory"
        # Reading is no harm: evidence is taken from a firewall like from any other host.
        if case.tier is not Tier.T0 and (why := _carries(known[host], policy.protected)):
            return why
    return ""


def _never_an_account(policy: Policy, case: Case) -> str:
    if case.kind not in policy.closing:
        return ""
    said = (protected_account(name, policy.protected_accounts) for name in case.touches.accounts)
    return next((why for why in said if why), "")


def _over_budget(policy: Policy, case: Case, spent: Mapping[str, int]) -> str:
    budget = policy.budgets.get(case.kind)
    if budget is None or spent.get(case.kind, 0) < budget:
        return ""
    return f"{budget} {case.kind} an hour are the budget, and all are used"


def _lost(policy: Policy, case: Case, gone: Collection[str]) -> str:
    """Why what *case* takes out of service cannot be spared while *gone* are out already."""
    if case.kind not in policy.availability.kinds:
        return ""
    said = (loss(policy.availability, policy.assets, host, gone) for host in case.touches.hosts)
    return next((why for why in said if why), "")


def _carries(asset: Asset, protected: Iterable[Protected]) -> str:
    """Why a host must not be cut off: we could no longer reach what would undo it."""
    for thing in protected:
        for held in thing.networks if thing.never_isolate else ():
            if any(overlap(network, held) for network in asset.networks):
                return f"{asset.name} has {thing.name} ({held}): cut off from it, we could undo nothing"
    return ""


def _tier(policy: Policy, case: Case, *, many_hosts: bool) -> tuple[Tier, str]:
    rules = policy.tiers
    reached: tuple[Tier, str] = (case.tier, "")
    known = {asset.name: asset for asset in policy.assets}
    if case.lasts is not None and case.lasts > rules.longest_alone:
        hours = rules.longest_alone / timedelta(hours=1)
        reached = _higher(reached, (Tier.T2, f"it lasts longer than {hours:g} h"))
    for network in case.touches.networks:
        if network.prefixlen < _by_version(network, rules.wide_v4, rules.wide_v6):
            reached = _higher(reached, (Tier.T3, f"{network} is wide"))
        elif network.prefixlen < _by_version(network, rules.narrow_v4, rules.narrow_v6):
            reached = _higher(reached, (Tier.T2, f"{network} is more than one address"))
    for host in case.touches.hosts:
        # Reading it, or looking at it more closely, cuts nothing off.
        if known[host].protected and case.tier is not Tier.T0:
            reached = _higher(reached, (Tier.T3, f"{host} is a protected asset"))
    if many_hosts and case.touches.hosts and case.tier.rank >= Tier.T2.rank:
        reached = _higher(reached, (Tier.T3, "more than one node"))
    if not case.reversible and case.tier is not Tier.T0:
        reached = _higher(reached, (Tier.T3, "it cannot be undone"))
    return reached


def _shared(policy: Policy, case: Case, reached: tuple[Tier, str]) -> tuple[Tier, str]:
    """*reached*, and what is to be said or asked because others share what *case* touches."""
    if case.tier is Tier.T0:
        return reached
    for asks, said in objections(case.lasts, case.touches.networks, policy.shared):
        tier, why = reached
        reached = _higher(reached, (Tier.T2, said)) if asks else (tier, why or said)
    return reached


def _higher(one: tuple[Tier, str], other: tuple[Tier, str]) -> tuple[Tier, str]:
    return other if other[0].rank > one[0].rank else one


def _within(touches: Indicators, indicators: Indicators) -> bool:
    return (
        all(network in indicators.networks for network in touches.networks)
        and all(host in indicators.hosts for host in touches.hosts)
        and all(account in indicators.accounts for account in touches.accounts)
    )


def _by_version(network: Network, v4: int, v6: int) -> int:
    return v4 if isinstance(network, IPv4Network) else v6
