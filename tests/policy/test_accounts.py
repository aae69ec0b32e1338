"""Accounts that no machine may disable."""

from pathlib import Path

import pytest

from responder.access import OverSSH
from responder.identities import HostIdentities, ScimIdentities
from responder.incident import Indicators, Priority
from responder.inventory import Host, Inventory
from responder.own_accounts import EMERGENCY, own_accounts
from responder.people.person import Person, Role
from responder.policy.accounts import ProtectedAccounts, exactly, protected_account
from responder.policy.judge import Case, Policy, Verdict, judge
from responder.policy.tiers import Ruling, Tier

PROTECTED = (ProtectedAccounts(name="break-glass", patterns=("breakglass*", "ops@example.com")),)


@pytest.mark.parametrize(
    "account",
    [
        "breakglass",
        "BreakGlass-2",
        "breakglass@example.com",
        "CORP\\breakglass1",
        "corp\\BREAKGLASS@corp.example.com",
        "ｂｒｅａｋｇｌａｓｓ",  # noqa: RUF001 - full width, which NFKC makes the same
        " breakglass ",
        "OPS@Example.COM",
    ],
)
def test_every_spelling_of_a_protected_account_is_protected(account: str) -> None:
    said = protected_account(account, PROTECTED)
    assert said.startswith(f"account {account} is break-glass (")
    assert said.count("\n") == 0


@pytest.mark.parametrize("account", ["ana", "ops", "ops@example.org", "not-breakglass", "break"])
def test_what_no_pattern_names_is_not(account: str) -> None:
    assert protected_account(account, PROTECTED) == ""


def test_a_name_is_no_pattern() -> None:
    group = (ProtectedAccounts(name="ours", patterns=exactly(["*", "a[b]", "ana"])),)
    assert protected_account("ben", group) == ""
    assert protected_account("a[b]", group)
    assert protected_account("ana@example.com", group)


def ruled(
    policy: Policy, account: str, *, kind: str = "DisableAccount", reversible: bool = True
) -> Verdict:
    case = Case(
        kind=kind,
        summary=f"{kind} {account}",
        tier=Tier.T2,
        lasts=None,
        reversible=reversible,
        touches=Indicators(accounts=(account,)),
    )
    named = Indicators(accounts=(account,))
    return judge(policy, [case], priority=Priority.P1, indicators=named, used={})[0]


def test_the_judge_refuses_a_protected_account_and_asks_about_another() -> None:
    policy = Policy(protected_accounts=PROTECTED)
    refused = ruled(policy, "breakglass@example.com")
    assert refused.ruling is Ruling.REFUSE
    assert refused.reason == (
        "account breakglass@example.com is break-glass (breakglass*): never disabled from here"
    )
    asked = ruled(policy, "ana@example.com")
    assert (asked.ruling, asked.tier) == (Ruling.ASK, Tier.T2)
    # What keeps nobody out is not meant: an attacker's key on such an account must go.
    assert ruled(policy, "breakglass", kind="RemoveSshKey").ruling is Ruling.ASK
    assert ruled(policy, "breakglass", kind="RevokeSessions").ruling is Ruling.REFUSE


def test_what_the_runner_signs_in_with_and_whoever_approves_is_protected_unnamed() -> None:
    access = OverSSH(
        address="198.51.100.10",
        user="ir-runner",
        key_file=Path("/key"),
        host_key="ssh-ed25519 AA==",
    )
    people = (
        Person(name="ana", roles=(Role.OPERATOR,), email="ana.smith@example.com"),
        Person(name="vic", roles=(Role.VIEWER,)),
        Person(name="gone", roles=(Role.ADMIN,), active=False),
    )
    inventory = Inventory(hosts=(Host(name="web", access=access),))
    groups = own_accounts(inventory, people, EMERGENCY)
    protected = {
        name: protected_account(name, groups)
        for name in ("ir-runner", "ana", "Ana.Smith@example.com", "root", "vic", "gone")
    }
    assert [name for name, why in protected.items() if not why] == ["vic", "gone"]
    assert "what the runner signs in with" in protected["ir-runner"]
    assert "one of those who approve" in protected["ana"]


def test_an_identity_provider_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="identity provider web is a host, and is not in the inv"):
        Inventory(identity_providers=(HostIdentities(name="web"),))
    idp = ScimIdentities(name="idp", base_url="https://idp.example.com/scim/v2", token_env="T")
    with pytest.raises(ValueError, match="two identity providers are named idp"):
        Inventory(identity_providers=(idp, idp))
    with pytest.raises(ValueError, match="idp: expected one of token_file and token_env"):
        ScimIdentities(name="idp", base_url="https://idp.example.com/scim/v2")


def test_an_account_is_at_the_providers_whose_patterns_name_it() -> None:
    idp = ScimIdentities(
        name="idp", base_url="https://idp.example.com", token_env="T", accounts=("*@Example.com",)
    )
    assert idp.has("ana@example.COM")
    assert not idp.has("ana")


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example.com/scim/v2",
        "https://user:secret@idp.example.com/",
        "https://idp.example.com/?x=1",
        "ftp://idp.example.com",
        "idp.example.com",
    ],
)
def test_an_address_that_would_give_the_token_away_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected https"):
        ScimIdentities(name="idp", base_url=url, token_env="T")
