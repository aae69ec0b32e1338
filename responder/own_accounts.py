"""The accounts that this runner, and the people who decide, could not do without."""

from collections.abc import Iterable

from responder.inventory import Inventory
from responder.people.person import Permission, Person
from responder.policy.accounts import ProtectedAccounts, exactly

# The administrator of Linux, and what emergency accounts are commonly called; set your own beside.
EMERGENCY = ("root", "breakglass*", "break-glass*", "break_glass*")


def own_accounts(
    inventory: Inventory, people: Iterable[Person], named: tuple[str, ...]
) -> tuple[ProtectedAccounts, ...]:
    """
    What is never disabled: what the settings name, what we sign in with, whoever may approve.

    An approver who could be disabled by an alert would be a way to have nobody left who decides.
    """
    reached = [getattr(thing, "access", None) for thing in (*inventory.hosts, *inventory.points)]
    users = [user for user in (getattr(access, "user", "") for access in reached) if user]
    deciding = [one for one in people if one.may(Permission.APPROVALS_DECIDE)]
    approvers = [name for one in deciding for name in (one.name, one.email) if name]
    groups = (
        ProtectedAccounts(name="protected by the settings", patterns=named),
        ProtectedAccounts(name="what the runner signs in with", patterns=exactly(users)),
        ProtectedAccounts(name="one of those who approve", patterns=exactly(approvers)),
    )
    return tuple(group for group in groups if group.patterns)
