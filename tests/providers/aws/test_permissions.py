"""What the how-to tells people to allow is what the providers say they need."""

import re
from pathlib import Path

import pytest

from activities.providers import ebs, ec2_isolation, nacl, security_groups, waf

TEXT = (Path(__file__).parents[3] / "docs" / "how-to" / "aws.md").read_text()
ALLOWED = re.compile(r"`([a-z0-9]+:[A-Z][A-Za-z0-9*]+)`")


def named(start: str, end: str) -> set[str]:
    return set(ALLOWED.findall(TEXT[TEXT.index(start) : TEXT.index(end, TEXT.index(start))]))


@pytest.mark.parametrize(
    ("start", "end", "needed"),
    [
        ("| WAF |", "\n", waf.PERMISSIONS),
        ("| network ACL |", "\n", nacl.PERMISSIONS),
        ("| security group |", "\n", security_groups.PERMISSIONS),
        ("Permissions: `autoscaling", "\n\n", ec2_isolation.PERMISSIONS),
        ("In the host's account:", "In the vault's", ebs.PERMISSIONS),
        ("In the vault's", "Give the runner", ebs.VAULT_PERMISSIONS),
    ],
)
def test_the_how_to_names_each_permission_and_no_other(
    start: str, end: str, needed: tuple[str, ...]
) -> None:
    assert named(start, end) == set(needed)
