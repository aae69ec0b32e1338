"""What a drawing says in each of its boxes: short, and in the words of the playbook."""

import ast
from collections.abc import Sequence
from datetime import timedelta

from responder.authoring.code import Code, Named, dotted, step_of
from responder.policy.tiers import Tier

_LONGEST = 44
_UNITS = ("weeks", "days", "hours", "minutes", "seconds")


def short(text: str, most: int = _LONGEST) -> str:
    """*text* in one line of at most *most* characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def condition(test: ast.expr) -> str:
    """What is asked at a branch."""
    inner = test.target if isinstance(test, ast.NamedExpr) else test
    inner = inner.value if isinstance(inner, ast.Await) else inner
    if isinstance(inner, ast.Call) and step_of(inner):
        return "was it done?" if step_of(inner) != "look_up" else "was something found?"
    return f"{short(_plain(inner))}?"


def loop(node: ast.For | ast.AsyncFor | ast.While) -> str:
    """What a loop goes through."""
    if isinstance(node, ast.While):
        return (
            "for ever"
            if isinstance(node.test, ast.Constant)
            else f"while {short(_plain(node.test))}"
        )
    of = "what was looked up" if "look_up(" in ast.unparse(node.iter) else _plain(node.iter)
    return f"for each {short(f'{ast.unparse(node.target)} of {of}')}"


def _plain(node: ast.expr) -> str:
    return ast.unparse(node).replace("self.", "").replace("await ", "")


def ruled(tier: Tier) -> str:
    """Who decides, by the default policy."""
    return (
        "two people, each with a second factor"
        if tier is Tier.T3
        else "one person, with a second factor"
    )


def length(node: ast.expr, constants: dict[str, ast.expr] | None = None) -> str:
    """A length of time for people: `timedelta(hours=24)` as `24 h`; else as it is written."""
    if isinstance(node, ast.Name) and constants and node.id in constants:
        return length(constants[node.id])
    if isinstance(node, ast.Call) and dotted(node.func).endswith("timedelta"):
        given = {k.arg: k.value for k in node.keywords}
        given |= dict(zip(("days", "seconds"), node.args, strict=False))
        plain = {
            name: float(value.value)
            for name, value in given.items()
            if name in _UNITS
            and isinstance(value, ast.Constant)
            and isinstance(value.value, (int, float))
        }
        if len(plain) == len(given):
            return span(timedelta(**plain))
    return short(_plain(node), 28)


def span(time: timedelta) -> str:
    """`90 s`, `5 min`, `24 h`, `3 d`: the largest unit that says it exactly."""
    seconds = time.total_seconds()
    for size, word, least in ((86_400, "d", 2), (3600, "h", 1), (60, "min", 1)):
        if seconds % size == 0 and seconds / size >= least:
            return f"{seconds / size:g} {word}"
    return f"{seconds:g} s"


def spoken(word: str, call: ast.Call, found: Sequence[Named], code: Code) -> tuple[str, list[str]]:
    """The title and the details of a step."""
    names = " + ".join(dict.fromkeys(one.kind.name for one in found))
    given = {k.arg: k.value for k in call.keywords}
    match word:
        case "do" | "do_in_waves":
            title = names or "a change"
            details = ["in waves: one, some, the rest"] if word == "do_in_waves" else []
            return title, [*details, *dict.fromkeys(_held(one, code) for one in found)]
        case "look_up":
            return f"look up {names or 'a question'}", []
        case "announce":
            to = given.get("to")
            audience = (
                str(to.value)
                if isinstance(to, ast.Constant)
                else "security"
                if to is None
                else _plain(to)
            )
            loud = " loudly" if "loud" in given else ""
            return f"tell {audience}{loud}", [words(call.args[0])] if call.args else []
        case "escalate":
            role = words(call.args[0]) if call.args else "a role"
            within = length(given["within"], code.constants) if "within" in given else "5 min"
            return f"page {role}", [f"again after {within}, then everybody"]
        case "contained":
            return "contained", ["the clock stops once every receipt is verified"]
        case "sleep":
            return f"wait {length(call.args[0], code.constants) if call.args else ''}", [
                words(given["summary"]) if "summary" in given else ""
            ]
    return "wait until something is so", []


def _held(one: Named, code: Code) -> str:
    """How long a change is held, and what is not undone."""
    if not one.kind.reversible:
        return "done once; held by no lease"
    given = {k.arg: k.value for k in one.call.keywords}
    if "lasts" in given and not _is_none(given["lasts"]):
        return f"lease: {length(given['lasts'], code.constants)}, then undone"
    if "lasts" in given or not one.kind.lasts:
        return "lease: until somebody ends it"
    days, _, clock = one.kind.lasts.rpartition(", ")
    hours, minutes, seconds = (int(float(part)) for part in clock.split(":"))
    whole = timedelta(
        days=int(days.split()[0]) if days else 0, hours=hours, minutes=minutes, seconds=seconds
    )
    return f"lease: {span(whole)}, then undone"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def words(node: ast.expr) -> str:
    """What is said, as far as it is known beforehand."""
    if isinstance(node, ast.Constant):
        return short(str(node.value))
    if isinstance(node, ast.JoinedStr):
        parts = [str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values]
        return short("".join(parts))
    return short(_plain(node))
