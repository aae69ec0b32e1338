"""The contract's page of the reference: rows, and who runs them; written into docs/reference/contract.md."""

from scripts import reference
from tests.providers.contract.ground import HELD, Row
from tests.providers.contract.grounds import ELSEWHERE, GROUNDS


def print_rows() -> None:
    """What every provider promises."""
    for row in Row:
        print(f"- {row.value}")


def print_grounds() -> None:
    """Which provider runs the suite with which action, and what it leaves out and why."""
    print("| provider | action | leaves out |\n| --- | --- | --- |")
    for one in GROUNDS:
        whys: dict[str, list[str]] = {}
        for row, why in one.omits.items():
            said = whys.setdefault(why, [])
            if row not in HELD:
                said.append(row.value)
            elif "what is held and given back" not in said:
                said.append("what is held and given back")
        left = "; ".join(f"{', '.join(rows)} ({why})" for why, rows in whys.items())
        print(f"| `{one.provider}` | {one.kind.__name__} | {left or 'nothing'} |")


def print_elsewhere() -> None:
    """Which providers are tried by another suite, and which one."""
    print("| provider | tried by |\n| --- | --- |")
    for provider, where in ELSEWHERE.items():
        print(f"| `{provider}` | {where} |")


def promised() -> set[tuple[str, str]]:
    """Every provider with each action that it says it carries out."""
    return {
        (module.__name__.rpartition(".")[2], action)
        for module in reference.provider_modules()
        for profile in reference.profiles_of(module)
        for action in profile.answers
    }
