from collections.abc import Callable
from pathlib import Path

import pytest

from responder.errors import ConfigurationError
from responder.incident import Priority
from responder.people.person import Permission, Role
from responder.settings import Settings, read_settings
from responder.settings_origin import origins

CANARY = "canary-7f3a"
Write = Callable[[str], None]


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Write:
    """Writes the settings file of a folder and an environment that hold nothing else."""
    monkeypatch.setattr("os.environ", {"HOME": str(tmp_path), "USER": "ana", "LOGNAME": "ana"})
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> None:
        (tmp_path / "responder.yaml").write_text(text)

    return write


def _faults() -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    return caught.value.faults


def test_without_a_file_everything_has_a_default(write: Write, tmp_path: Path) -> None:
    settings = read_settings()
    assert settings.state == tmp_path / ".local/state/responder"
    assert settings.database.startswith("sqlite+aiosqlite:///")
    assert settings.sla[Priority.P1].contain.total_seconds() == 900
    assert origins() == {}


def test_every_fault_is_told_at_once_with_where_it_is(write: Write) -> None:
    write(
        "api: {port: 99999, prot: 1}\nbudgets: {Block: many}\nnot_a_setting: 1\n"
        "people: [{name: ''}, {name: ana, roles: [King]}]\nlog: {level: loud}\n"
    )
    faults = _faults()
    assert len(faults) == 7
    joined = "\n".join(faults)
    for said in (
        "api.port: Input should be less than or equal to 65535; found '99999'",
        "api.prot: no such setting", "not_a_setting: no such setting", "budgets.Block: ",
        "people.0.name: ", "people.1.roles.0: ", "log.level: ",
    ):  # fmt: skip
        assert said in joined


def test_a_variable_wins_over_the_file_and_a_flag_over_both(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("api: {port: 1001, host: 127.0.0.2}\nstate: /nowhere/a\n")
    assert (read_settings().api.port, read_settings().api.host) == (1001, "127.0.0.2")
    monkeypatch.setenv("RESPONDER_API__PORT", "1002")
    assert (read_settings().api.port, read_settings().api.host) == (1002, "127.0.0.2")
    assert read_settings(state="/nowhere/b").state == Path("/nowhere/b")
    assert origins() == {
        "api.port": "environment", "api.host": "responder.yaml", "state": "responder.yaml",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RESPONDER_API__PORT", "many", "api.port: "),
        ("RESPONDER_API__PROT", "1", "api.prot: no such setting"),
        ("RESPONDER_BUDGETS", "{", "budgets"),
        ("RESPONDER_PEOPLE", "7", "people"),
    ],
)
def test_a_variable_that_cannot_be_used_is_a_fault_like_any_other(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    assert any(said in fault for fault in _faults())


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "\t- x", "{", "a: !!python/object:os.system x", "%", "\x00"]
)
def test_what_is_not_yaml_is_told_in_one_line_with_its_place(write: Write, text: str) -> None:
    write(text)
    (fault,) = _faults()
    assert fault.startswith("responder.yaml is not YAML: ")
    assert "\n" not in fault


@pytest.mark.parametrize("text", ["- a", "just words", "7"])
def test_yaml_that_is_no_mapping_is_a_fault(write: Write, text: str) -> None:
    write(text)
    (fault,) = _faults()
    assert "responder.yaml" in fault
    assert "mapping" in fault


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_no_fault(write: Write, text: str) -> None:
    write(text)
    assert read_settings().api.port == 8080


def test_a_file_that_is_named_and_missing_is_a_fault(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPONDER_CONFIG", "/nowhere/responder.yaml")
    assert _faults() == (
        "RESPONDER_CONFIG names /nowhere/responder.yaml, and there is no such file",
    )


@pytest.mark.parametrize(
    "text",
    [
        f"temporal: {{api_key: [{CANARY}]}}",
        f"temporal: {{api_kye: {CANARY}}}",
        f"temporl: {{api_key: {CANARY}}}",
        f"api_key: {CANARY}",
        f"mail: 'smtp://me:{CANARY}@mail.example.com'",
        f"mail: {{host: mail.example.com, sender: a@example.com, pasword: {CANARY}}}",
        f"smtp: {{password: {CANARY}}}",
        f"sources: {{siem: {{kind: wazuh, auth: {{scheme: bearer, token: {CANARY}}}}}}}",
        f"sources: {{siem: {{kind: wazuh, auth: {{scheme: bearer, tokens: {CANARY}}}}}}}",
        f"sources: {{siem: {{kind: wazuh, secret: {CANARY}}}}}",
        f"sources: [{CANARY}]",
        f"inventory: {{points: [{{kind: feed, consumers: [{{name: a, tokn: {CANARY}}}]}}]}}",
        f"store: {{url: 'postgresql+psycopg://u:{CANARY}@db.example.com/r'}}",
        f"database: 'postgresql+psycopg://u:{CANARY}@db.example.com/r'",
        f"people: [{{name: ana, password: {CANARY}}}]",
        f"people: [{{name: ana, token: {CANARY}}}]",
    ],
)
def test_a_fault_never_shows_what_may_be_a_secret(write: Write, text: str) -> None:
    write(text)
    faults = _faults()
    assert faults
    assert CANARY not in "\n".join(faults)


def test_a_fault_of_yaml_does_not_show_the_line(write: Write) -> None:
    write(f"temporal:\n  api_key: {CANARY}: x\n")
    assert CANARY not in "\n".join(_faults())


def test_a_password_in_the_store_s_url_is_used_and_not_shown(write: Write) -> None:
    write(f"store: postgresql+psycopg://u:{CANARY}@db.example.com/r")
    settings = read_settings()
    assert CANARY in settings.database
    assert settings.model_dump()["store"] == "postgresql+psycopg://u:***@db.example.com/r"


def test_a_password_of_the_store_comes_from_its_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{CANARY} @/\n")
    write(
        "store: postgresql+psycopg://u@db.example.com/r\n"
        f"store_password_file: {tmp_path / 'password'}\n"
    )
    settings = read_settings()
    assert CANARY in settings.database
    assert CANARY not in repr(settings)
    assert CANARY not in settings.model_dump_json()


def test_a_partial_matrix_is_laid_over_the_defaults(write: Write) -> None:
    write("sla: {P1: {acknowledge: PT1M, contain: PT2M, resolve: PT3M, escalates_to: [CISO]}}\n")
    sla = read_settings().sla
    assert (sla[Priority.P1].contain.total_seconds(), len(sla)) == (120, 4)


def test_without_people_whoever_runs_it_is_the_one_admin(write: Write) -> None:
    (person,) = read_settings().directory()
    assert (person.name, person.roles) == ("ana", (Role.ADMIN,))
    assert all(person.may(permission) for permission in Permission)


def test_two_people_of_one_name_are_a_fault(write: Write) -> None:
    """Else the later one's roles would silently be the earlier one's."""
    write("people: [{name: ana}, {name: ana, roles: [admin]}]")
    assert any("ana" in fault for fault in _faults())


def test_policy_has_what_the_settings_say_is_ours(write: Write) -> None:
    write(
        "protected: [{name: partner, networks: [203.0.113.0/24]}]\nprotect_internal: false\n"
        "inventory: {hosts: [{name: web1, addresses: [198.51.100.10], protected: true}]}\n"
        "budgets: {Block: 7}\n"
    )
    policy = read_settings().policy()
    assert [p.name for p in policy.protected] == ["partner"]
    assert policy.assets[0].protected
    assert policy.budgets == {"Block": 7}
    assert policy.version != Settings().policy().version or policy == Settings().policy()
