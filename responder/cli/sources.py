"""`responder sources`, and `responder normalise`."""

from pathlib import Path

import typer

from responder.cli.say import FAILED, Stop, put, table

app = typer.Typer(help="Who may send alerts.", no_args_is_help=True)
JSON = typer.Option(False, "--json", help="Print JSON.")


def register(parent: typer.Typer) -> None:
    """Add `normalise`."""
    parent.command()(normalise)


@app.command("list")
def list_sources(as_json: bool = JSON) -> None:
    """The configured sources."""
    from responder.settings import read_settings  # noqa: PLC0415

    settings = read_settings()
    rows = [
        {
            "name": name,
            "kind": s.kind,
            "auth": s.auth.scheme,
            "url": f"{settings.api.url}/webhooks/{name}",
        }
        for name, s in settings.sources.items()
    ]
    if as_json:
        put(rows)
        return
    table(
        ("source", "kind", "auth", "sends to"),
        [tuple(row.values()) for row in rows],
        empty="no source is configured; add one under `sources:` in responder.yaml",
    )


def normalise(
    source: str = typer.Argument(help="A configured source, or a kind such as wazuh."),
    file: Path = typer.Argument(help="A file with one delivery's body."),
) -> None:
    """What a delivery would become: alerts, and what triage says of each. Nothing is sent."""
    from responder.errors import AlertError  # noqa: PLC0415
    from responder.intake.parse import parse  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415
    from responder.sources import NORMALISERS  # noqa: PLC0415
    from responder.sources.settings import SourceSettings  # noqa: PLC0415
    from responder.triage import assess  # noqa: PLC0415

    settings = read_settings()
    configured = settings.sources.get(source)
    if configured is None and source in NORMALISERS:
        configured = SourceSettings.model_validate(
            {
                "kind": source,
                "auth": {"scheme": "bearer", "tokens": ["only-for-this-command-not-used"]},
            }
        )
    if configured is None:
        known = ", ".join([*settings.sources, *NORMALISERS])
        raise Stop(FAILED, f"{source}: neither a configured source nor a kind; known: {known}")
    try:
        body = file.read_bytes()
        found = NORMALISERS[configured.kind](parse(body), configured, source)
    except OSError as error:
        raise Stop(FAILED, f"{file}: {error.strerror}") from error
    except AlertError as error:
        raise Stop(FAILED, f"{file}: {error}") from error
    put(
        {
            "alerts": [
                {
                    "alert": alert.model_dump(mode="json"),
                    "triage": assess(alert, settings.triage).model_dump(mode="json"),
                }
                for alert in found.alerts
            ],
            "faults": list(found.faults),
        }
    )
