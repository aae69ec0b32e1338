"""`responder config`."""

from typing import Any

import typer

from responder.cli.say import put, table

app = typer.Typer(help="The settings as they are, and what can be set.", no_args_is_help=True)


@app.command()
def show(
    origin: bool = typer.Option(False, help="Say where each value comes from."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Every setting as it is now; secrets are not shown."""
    from responder.settings import read_settings  # noqa: PLC0415
    from responder.settings_origin import origins  # noqa: PLC0415

    settings = read_settings()
    values = _flat(settings.model_dump(mode="json"))
    if not origin:
        put(settings.model_dump(mode="json")) if as_json else table(
            ("setting", "value"), list(values.items()), empty="no settings"
        )
        return
    found = origins()
    rows = {
        name: {"value": value, "origin": found.get(name) or _of_parent(name, found)}
        for name, value in values.items()
    }
    if as_json:
        put(rows)
        return
    table(
        ("setting", "value", "from"),
        [(name, row["value"], row["origin"]) for name, row in rows.items()],
        empty="no settings",
    )


@app.command()
def schema() -> None:
    """The JSON schema of responder.yaml, for editors and checks."""
    from responder.settings import Settings  # noqa: PLC0415

    put(Settings.model_json_schema())


def _flat(value: Any, name: str = "") -> dict[str, Any]:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict) or not value:
        return {name: value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= _flat(item, f"{name}.{key}" if name else str(key))
    return found


def _of_parent(name: str, found: dict[str, str]) -> str:
    while "." in name:
        name = name.rpartition(".")[0]
        if name in found:
            return found[name]
    return "default"
