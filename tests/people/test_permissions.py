import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from responder.errors import ConfigurationError, Refused
from responder.people.permissions import (
    ROLES,
    WORDS,
    Permission,
    Role,
    RoleRule,
    RoleTable,
    matching,
)
from responder.people.person import Directory, Person
from responder.people.require import require_permission
from responder.settings import Settings, read_settings

# The roles as the owner wrote them down.
AS_WRITTEN = """
roles:
  admin:
    permissions:
      - "system:*"
      - "agents:*"
      - "users:*"
    description: "Vollzugriff auf alle Systemfunktionen"

  operator:
    permissions:
      - "agents:read"
      - "agents:execute"
      - "tasks:*"
    description: "Agent-Verwaltung und Task-Ausführung"

  viewer:
    permissions:
      - "agents:read"
      - "tasks:read"
      - "metrics:read"
    description: "Nur-Lese-Zugriff auf System-Informationen"

  api_user:
    permissions:
      - "api:execute"
      - "tasks:create"
    description: "Programmatischer API-Zugriff"
"""
CHANGES = {
    Permission.INCIDENTS_WRITE,
    Permission.APPROVALS_DECIDE,
    Permission.LEASES_WRITE,
    Permission.ONCALL_WRITE,
    Permission.RUNNER_PAUSE,
    Permission.PEOPLE_WRITE,
}


@pytest.fixture
def settings_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def read(text: str) -> Settings:
        file = tmp_path / "responder.yaml"
        file.write_text(text)
        monkeypatch.setenv("RESPONDER_CONFIG", str(file))
        return read_settings()

    return read


def allowed(role: str, table: RoleTable | None = None) -> set[Permission]:
    (person,) = Directory([Person(name="p", roles=(role,))], table or RoleTable())
    return {permission for permission in Permission if person.may(permission)}


def test_the_roles_as_they_were_written_down_load_and_mean_what_they_say(settings_of: Any) -> None:
    table = RoleTable.of(settings_of(AS_WRITTEN).roles)

    assert allowed("admin", table) == set(Permission)
    assert allowed("operator", table) == set(Permission) - {Permission.PEOPLE_WRITE}
    assert not allowed("viewer", table) & CHANGES
    assert Permission.INCIDENTS_READ in allowed("viewer", table)
    assert allowed("api_user", table) == {
        Permission.INCIDENTS_READ,
        Permission.INTAKE_READ,
        Permission.PLANS_DRAW,
    }


def test_without_settings_the_roles_are_those_and_a_viewer_can_take_a_page(
    settings_of: Any,
) -> None:
    table = RoleTable.of(settings_of(AS_WRITTEN).roles)

    for role in (Role.ADMIN, Role.OPERATOR, Role.API_USER):
        assert allowed(role) == allowed(role, table)
    assert allowed(Role.VIEWER) - allowed(Role.VIEWER, table) == {Permission.PAGES_TAKE}


@pytest.mark.parametrize("permission", Permission)
def test_each_permission_is_a_pattern_of_itself(permission: Permission) -> None:
    assert matching(permission.value) == {permission}


@pytest.mark.parametrize("word", WORDS)
def test_each_word_of_the_wider_scheme_means_something(word: str) -> None:
    assert matching(word) <= set(Permission)
    assert matching(word)


def test_a_noun_with_a_star_is_every_verb_of_it() -> None:
    assert matching("incidents:*") == {Permission.INCIDENTS_READ, Permission.INCIDENTS_WRITE}
    assert matching("*") == set(Permission)
    assert matching("agents:*") == matching("agents:read") | matching("agents:execute")


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("incident:read", "incidents:read"),
        ("incidents:raed", "incidents:read"),
        ("agent:execute", "agents:execute"),
        ("task:*", "tasks:*"),
        ("Incidents:Read", "incidents:read"),
    ],
)
def test_a_pattern_that_matches_nothing_names_the_nearest(wrong: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"the nearest is '{nearest}'")):
        matching(wrong)


@pytest.mark.parametrize(
    "wrong", ["", ":", "*:*", "*:read", "incidents", "incidents:", "**", "???"]
)
def test_what_is_no_pattern_of_ours_allows_nothing(wrong: str) -> None:
    with pytest.raises(ValueError, match="matches no permission"):
        matching(wrong)


def test_a_pattern_that_matches_nothing_is_a_fault_of_the_settings(settings_of: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"roles\.auditor.*nearest is 'audit:read'"):
        settings_of("roles: {auditor: {permissions: ['audits:read']}}")


def test_a_role_of_ones_own_allows_what_it_lists_and_nothing_else(settings_of: Any) -> None:
    settings = settings_of(
        "roles: {auditor: {permissions: ['audit:read']}}\npeople: [{name: vic, roles: [auditor]}]"
    )

    vic = settings.directory().find("vic")

    assert vic is not None
    assert {p for p in Permission if vic.may(p)} == {Permission.AUDIT_READ}


def test_a_role_that_the_settings_change_is_changed(settings_of: Any) -> None:
    settings = settings_of(
        "roles: {operator: {permissions: ['incidents:read']}}\npeople: [{name: ana, roles: [operator]}]"
    )

    ana = settings.directory().find("ana")

    assert ana is not None
    assert {p for p in Permission if ana.may(p)} == {Permission.INCIDENTS_READ}


def test_a_person_in_a_role_that_there_is_not_is_a_fault(settings_of: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"people\.ana: there is no role boss; there are admin"
    ):
        settings_of("people: [{name: ana, roles: [boss]}]")


def test_two_people_cannot_be_the_same_to_a_provider(settings_of: Any) -> None:
    who = "oidc: {issuer: 'https://id.example.com', subject: s1}"
    with pytest.raises(ConfigurationError, match="two people are s1"):
        settings_of(f"people: [{{name: ana, {who}}}, {{name: ben, {who}}}]")


def test_who_is_not_active_may_nothing_at_all() -> None:
    gone = Person(name="gone", roles=(Role.ADMIN,), active=False)

    assert not any(gone.may(permission) for permission in Permission)
    with pytest.raises(Refused, match="gone may not incidents:read; they are not active"):
        gone.must(Permission.INCIDENTS_READ)


def test_a_role_that_nobody_defined_allows_nothing() -> None:
    assert not any(Person(name="p", roles=("ghost",)).may(one) for one in Permission)


def test_a_refusal_names_the_roles_that_may() -> None:
    with pytest.raises(Refused, match="vic may not leases:write; the role admin or operator may"):
        Person(name="vic").must(Permission.LEASES_WRITE)


async def test_what_requires_a_permission_runs_for_nobody_else() -> None:
    ended = []

    @require_permission("leases:write")
    async def end_lease(resource: str, person: Person) -> None:
        ended.append((person.name, resource))

    await end_lease("r1", Person(name="ana", roles=(Role.OPERATOR,)))
    for other in (
        Person(name="vic"),
        Person(name="api", roles=(Role.API_USER,)),
        Person(name="gone", roles=(Role.OPERATOR,), active=False),
        Person(name="none", roles=()),
    ):
        with pytest.raises(Refused, match=f"{other.name} may not leases:write"):
            await end_lease("r2", person=other)

    assert ended == [("ana", "r1")]


async def test_a_pattern_of_several_permissions_requires_them_all() -> None:
    @require_permission("agents:execute")
    async def execute(person: Person) -> str:
        return person.name

    most = RoleTable.of(
        {"most": RoleRule(permissions=("incidents:*", "leases:*", "plans:*", "evidence:*"))}
    )
    (without_pause,) = Directory([Person(name="eve", roles=("most",))], most)

    assert await execute(Person(name="ana", roles=(Role.OPERATOR,))) == "ana"
    with pytest.raises(Refused, match="eve may not runner:pause"):
        await execute(without_pause)


def test_requiring_what_there_is_not_fails_on_import() -> None:
    with pytest.raises(ValueError, match="nearest is 'leases:write'"):
        require_permission("lease:write")

    async def nobody() -> None: ...

    with pytest.raises(TypeError, match="expected a parameter `person`"):
        require_permission("leases:write")(nobody)


async def test_somebody_who_is_no_person_is_refused_by_the_type() -> None:
    @require_permission("leases:write")
    async def end_lease(person: Person) -> None: ...

    with pytest.raises(TypeError, match="expected a Person, found 'ana'"):
        await end_lease("ana")  # type: ignore[arg-type]


def test_the_shipped_roles_are_described() -> None:
    assert set(ROLES) == set(Role)
    assert all(rule.description for rule in ROLES.values())
    assert yaml.safe_load(AS_WRITTEN)["roles"].keys() == set(Role)
