"""
Everything that can be set: `responder.yaml`, `RESPONDER_…` variables and flags, typed and described.

Read only where a program is put together. Flags win over variables, variables over the file, the
file over the defaults; `responder config show --origin` says which one did.
"""

import getpass
import os
import re
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    Field,
    StringConstraints,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from responder.approval.settings import ApprovalSettings
from responder.certificates import CertificateRotation
from responder.cloud import unnamed
from responder.errors import ConfigurationError
from responder.evidence.settings import Evidence, Vaulted
from responder.incident import Priority
from responder.inventory import Inventory
from responder.notify.settings import Mail, Notify
from responder.own_accounts import EMERGENCY, own_accounts
from responder.people.approver_rights import ApproverRule
from responder.people.oncall import OnCall
from responder.people.permissions import RoleName, RoleRule, RoleTable
from responder.people.person import Directory, Person, Role
from responder.people.settings import Login
from responder.people.settings import faults as people_faults
from responder.policy.availability import Availability
from responder.policy.duties import REGIMES, Regimes
from responder.policy.judge import Policy
from responder.policy.networks import INTERNAL, Protected
from responder.policy.shared import Shared
from responder.policy.sla import MATRIX, Targets, over_the_matrix
from responder.policy.tiers import TierRules
from responder.process_settings import Api, Log, TemporalSettings
from responder.rotation import KeyRotation, Rotation, Schedule, SecretFiles, Secrets, planned
from responder.slack.settings import SlackSettings
from responder.sources.settings import SourceSettings
from responder.triage import Triage

FILE = "responder.yaml"
SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
# Where a secret may stand: a fault there says what is wrong, and not what was found.
_SECRETIVE = frozenset(
    {"sources", "mail", "notify", "inventory", "login", "slack", "temporal", "store"}
)


class Settings(BaseSettings):
    """All settings; unknown keys are faults."""

    model_config = SettingsConfigDict(
        env_prefix="RESPONDER_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    state: Path = Field(
        default=Path("~/.local/state/responder"),
        description="The folder of the embedded databases, the keys and the evidence.",
    )
    store: str | None = Field(
        default=None,
        description="`postgresql+psycopg://…`; none: a SQLite file in the state folder.",
    )
    store_password_file: Path | None = Field(
        default=None, description="A file whose content is the store URL's password."
    )
    api: Api = Api()
    temporal: TemporalSettings = TemporalSettings()
    inventory: Inventory = Field(default=Inventory(), description="What is ours.")
    protected: tuple[Protected, ...] = Field(
        default=(), description="What must never be cut off, beside internal networks."
    )
    shared: tuple[Shared, ...] = Field(
        default=(),
        description="Networks that the attacker shares with others: a block is shortened or asked for.",
    )
    protected_accounts: tuple[str, ...] = Field(
        default=EMERGENCY,
        description="Accounts that are never disabled or signed out, as shell patterns; one without a "
        "domain is meant in every domain. What the runner signs in with, and whoever may approve, are "
        "protected without being named.",
    )
    protect_internal: bool = Field(
        default=True, description="Never block RFC 1918, RFC 6598 and RFC 4193 networks at an edge."
    )
    protect_surroundings: bool = Field(
        default=True,
        description="Never block this machine, its gateways and resolvers, or what these settings name: "
        "Temporal, the store, the API, mail, enforcement points, management addresses; and never isolate "
        "a host that has one of them, mail apart.",
    )
    tiers: TierRules = Field(default=TierRules(), description="What needs whose approval.")
    approvals: ApprovalSettings = Field(
        default=ApprovalSettings(), description="How people are asked, and what one may do alone."
    )
    sla: dict[Priority, Targets] = Field(default=MATRIX, description="The clocks by priority.")
    duties: Regimes = Field(
        default=REGIMES, description="By which laws and contracts incidents are reported, and when."
    )
    budgets: dict[str, int] = Field(
        default=Policy().budgets, description="Changes of each kind that may begin in an hour."
    )
    availability: Availability = Field(
        default=Availability(), description="How much of what is ours may be isolated at once."
    )
    people: tuple[Person, ...] = Field(default=(), description="Who may do what.")
    roles: dict[RoleName, RoleRule] = Field(
        default={}, description="Roles beside, or instead of, admin, operator, viewer and api_user."
    )
    approvers: tuple[ApproverRule, ...] = Field(
        default=(), description="Which teams may approve what; none: everybody who may decide."
    )
    login: Login = Field(default=Login(), description="How people sign in to the console.")
    oncall: OnCall = Field(default=OnCall(), description="Who is on call, by turns.")
    sources: dict[SourceName, SourceSettings] = Field(
        default={}, description="Who may send alerts."
    )
    triage: Triage = Field(default=Triage(), description="What an alert means.")
    mail: Mail | None = Field(default=None, description="None: no mail is sent.")
    notify: Notify = Field(
        default=Notify(), description="How people are reached; none: messages go to the log only."
    )
    slack: SlackSettings | None = Field(
        default=None, description="None: nothing is shown or decided in Slack."
    )
    log: Log = Log()
    evidence: Evidence = Field(
        default=Evidence(), description="Where evidence is kept, and what is looked at."
    )
    key_rotation: KeyRotation = Field(
        default=KeyRotation(), description="Which keys are rotated by plan, and when."
    )
    certificate_rotation: CertificateRotation = Field(
        default=CertificateRotation(),
        description="Which X.509 certificates are renewed before they expire, and who signs them.",
    )
    schedules: tuple[Schedule, ...] = Field(
        default=(), description="Incidents that are opened by plan, beside the rotations."
    )
    secrets: Secrets = Field(
        default=SecretFiles(), description="Where the versions of secrets are kept."
    )
    playbooks: tuple[str, ...] = Field(
        default=("playbooks:PLAYBOOKS",), description="Tuples of playbooks, as `module:NAME`."
    )
    actions: tuple[str, ...] = Field(
        default=("activities:ACTIONS",), description="Tuples of actions, as `module:NAME`."
    )
    lookups: tuple[str, ...] = Field(
        default=("activities:LOOKUPS",), description="Tuples of lookups, as `module:NAME`."
    )
    wiring: str = Field(
        default="activities.wiring:Wiring", description="What finds the providers of an action."
    )
    secret_store: str = Field(
        default="activities.secret_stores:open_store", description="What opens `secrets`."
    )

    @field_serializer("store")
    def _without_its_password(self, value: str | None) -> str | None:
        return value and re.sub(r"(?<=//)([^/@:]*):[^/@]*@", r"\1:***@", value)

    @field_validator("people")
    @classmethod
    def _of_different_names(cls, value: tuple[Person, ...]) -> tuple[Person, ...]:
        names = [person.name for person in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two people are named {', '.join(twice)}")
        return value

    @model_validator(mode="after")
    def _people_in_roles_that_there_are(self) -> Self:
        if faults := people_faults(self.people, self.roles, self.approvers):
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _channels_that_there_are(self) -> Self:
        if faults := self.notify.faults(self.mail, slack=self.slack is not None):
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _certificates_on_hosts_of_ours(self) -> Self:
        faults = [
            f"certificate {one.name} is on {one.host}, which is not in the inventory"
            for one in self.certificate_rotation.certificates
            if self.inventory.host(one.host) is None
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _evidence_in_known_clouds(self) -> Self:
        if faults := unnamed(self.inventory.clouds, self.evidence.clouds):
            raise ValueError("; ".join(faults))
        return self

    @field_validator("schedules")
    @classmethod
    def _of_names_of_their_own(cls, value: tuple[Schedule, ...]) -> tuple[Schedule, ...]:
        planned(KeyRotation(), value)
        for name in ("key-rotation", "certificate-rotation"):
            if any(one.name == name for one in value):
                raise ValueError(f"{name} is the name of {name.replace('-', '_')}'s own schedule")
        return value

    @field_validator("state")
    @classmethod
    def _at_home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("sla", mode="before")
    @classmethod
    def _over_the_defaults(cls, value: Any) -> Any:  # noqa: ANN401 - not validated yet
        return over_the_matrix(value)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=file())

    @property
    def vaulted(self) -> Vaulted:
        """Where evidence is kept, with what the state folder adds."""
        return Vaulted.within(self.evidence, self.state)

    @property
    def rotation(self) -> Rotation:
        """What is kept secret and renewed by plan."""
        return Rotation(
            secrets=self.secrets,
            folder=self.state / "secrets",
            ring=self.state / "keys" / "secrets.json",
            plan=self.key_rotation,
            certificates=self.certificate_rotation,
        )

    @property
    def planned(self) -> tuple[Schedule, ...]:
        """Every incident that is opened by plan."""
        return planned(self.key_rotation, self.schedules, self.certificate_rotation)

    @property
    def database(self) -> str:
        """The store's URL, with the password from its file."""
        if self.store is None:
            return f"sqlite+aiosqlite:///{self.state / 'responder.sqlite'}"
        if self.store_password_file is None:
            return self.store
        from sqlalchemy import make_url  # noqa: PLC0415 - heavy, and only needed with PostgreSQL

        password = self.store_password_file.read_text().strip()
        return make_url(self.store).set(password=password).render_as_string(hide_password=False)

    def directory(self) -> Directory:
        """
        Everybody the settings name; if they name nobody, the user who runs this is the one admin.

        That lets a first start on one machine work at once, and only for who can read the state folder.
        """
        if self.people:
            return Directory(self.people, RoleTable.of(self.roles), self.approvers, self.oncall)
        name = os.environ.get("SUDO_USER") or _user()
        return Directory([Person(name=name, roles=(Role.ADMIN,), teams=("security",))])

    def policy(self, surroundings: tuple[Protected, ...] = ()) -> Policy:
        """The data that rulings are made from."""
        internal = (INTERNAL,) if self.protect_internal else ()
        return Policy(
            tiers=self.tiers,
            sla=self.sla,
            duties=self.duties,
            protected=(*self.protected, *internal, *surroundings),
            shared=self.shared,
            budgets=self.budgets,
            assets=tuple(host.asset for host in self.inventory.hosts),
            protected_accounts=own_accounts(
                self.inventory, self.directory(), self.protected_accounts
            ),
            availability=self.availability,
            standing=self.key_rotation.standing | self.certificate_rotation.standing,
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return f"uid-{os.getuid()}"


def file() -> Path:
    """The settings file: `RESPONDER_CONFIG`, or `responder.yaml` in the current folder."""
    return Path(os.environ.get("RESPONDER_CONFIG", FILE))


def read_settings(**flags: Any) -> Settings:  # noqa: ANN401 - any setting
    """The settings as they are now. Raises `ConfigurationError` with every fault at once."""
    named = os.environ.get("RESPONDER_CONFIG")
    if named is not None and not Path(named).is_file():
        raise ConfigurationError(f"RESPONDER_CONFIG names {named}, and there is no such file")
    try:
        return Settings(**flags)
    except ValidationError as error:
        raise ConfigurationError(*(fault(one) for one in error.errors())) from error
    except SettingsError as error:
        raise ConfigurationError(f"{error}: expected JSON") from error
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise ConfigurationError(f"{file()} is not YAML: {said}") from error
    except OSError as error:
        raise ConfigurationError(f"{file()} cannot be read: {error}") from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{file()}: expected a mapping of settings ({error})") from error


def fault(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    """One fault in one line: which setting, what is wrong, what was found."""
    where = ".".join(str(part) for part in error["loc"])
    # What no setting is called may be a secret under a misspelt name.
    if error["type"] == "extra_forbidden":
        return f"{where}: no such setting"
    quiet = error["type"] == "missing" or not error["loc"] or error["loc"][0] in _SECRETIVE
    found = "" if quiet else f"; found {str(error['input'])[:80]!r}"
    return f"{where}: {error['msg']}{found}"
