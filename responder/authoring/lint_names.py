"""Rules about names: what a playbook may import and call, so that it is deterministic and reaches nobody."""

import ast
from collections.abc import Iterator

from responder.authoring.code import Code, Function, methods
from responder.authoring.rules import Finding, found

_CLOCKS = {
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter",
    "time.localtime", "time.gmtime",
}  # fmt: skip
_CHANCE = {"uuid.uuid1", "uuid.uuid4", "os.urandom"}
_CHANCES = ("random.", "secrets.")
_SURROUNDINGS = {
    "os.environ", "os.getenv", "open", "pathlib.Path.read_text", "pathlib.Path.open", "os.listdir",
    "os.path.exists", "socket.gethostname", "platform.node", "os.getpid", "os.getcwd",
}  # fmt: skip
_REACHING = {
    "requests", "httpx", "aiohttp", "urllib3", "boto3", "botocore", "aioboto3", "paramiko", "asyncssh",
    "socket", "ssl", "smtplib", "slack_sdk", "psycopg", "sqlite3", "sqlalchemy", "http", "ftplib",
    "grpc", "azure", "google", "websockets", "telnetlib",
}  # fmt: skip
_REACHING_WITHIN = ("urllib.request",)
_CARRIERS = (
    "activities.providers", "activities.resolving", "activities.wiring", "activities.shell",
    "activities.shells", "activities.ssh", "activities.local", "activities.aws", "activities.azure",
    "activities.secret_stores", "activities.streams", "responder.store",
    "responder.verbs", "responder.api", "responder.approval", "responder.cli", "responder.settings",
    "responder.worker", "responder.catalogue", "responder.notify", "responder.slack",
)  # fmt: skip
_BLOCKING = {"time.sleep", "os.system", "os.popen", "input"}
_BLOCKINGS = ("subprocess.",)


def names(code: Code) -> Iterator[Finding]:
    """Findings of PB001 to PB006."""
    yield from _imports(code)
    bodies = [m for cls in code.playbooks() for m in methods(cls).values()]
    for body in [*bodies, *code.functions.values()]:
        yield from _calls(code, body)


def _imports(code: Code) -> Iterator[Finding]:
    for node in ast.walk(code.tree):
        match node:
            case ast.Import():
                modules = [one.name for one in node.names]
            case ast.ImportFrom(module=str(module)):
                # `from activities import wiring` names a module as well.
                modules = [module, *(f"{module}.{one.name}" for one in node.names)]
            case _:
                continue
        for module in modules:
            if carrier := next((c for c in _CARRIERS if f"{module}.".startswith(f"{c}.")), None):
                said = f"imports {carrier}, which carries changes out"
                yield found(
                    code, node, "PB005", said, "from activities.block import Block  # the action"
                )
                break
            within = module.startswith(_REACHING_WITHIN)
            if within or module.partition(".")[0] in _REACHING:
                said = f"imports {module}: it would be reached again at every replay"
                yield found(
                    code, node, "PB004", said, "await self.look_up(…), or an action with a provider"
                )
                break


def _calls(code: Code, body: Function) -> Iterator[Finding]:
    for node in ast.walk(body):
        if not isinstance(node, (ast.Attribute, ast.Name)):
            continue
        name = code.means(node)
        if name in _CLOCKS:
            yield found(code, node, "PB001", f"{name}() differs at every replay", "workflow.now()")
        elif name in _CHANCE or name.startswith(_CHANCES):
            write = "workflow.uuid4()" if "uuid" in name else "workflow.random()"
            yield found(code, node, "PB002", f"{name} differs at every replay", write)
        elif name in _SURROUNDINGS or _reads(code, node):
            said = f"{name or ast.unparse(node)} reads what this machine holds now"
            yield found(code, node, "PB003", said, "await self.look_up(…), whose answer is kept")
        elif name in _BLOCKING or name.startswith(_BLOCKINGS):
            said = f"{name} holds up every other run of this worker"
            yield found(code, node, "PB006", said, 'await workflow.sleep(…, summary="…")')


def _reads(code: Code, node: ast.expr) -> bool:
    """`Path("x").read_text` and the like."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr in ("read_text", "read_bytes", "write_text", "write_bytes")
        and isinstance(node.value, ast.Call)
        and code.means(node.value.func) == "pathlib.Path"
    )
