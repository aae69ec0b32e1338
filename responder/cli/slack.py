"""`responder slack`."""

from typing import Any

import typer

from responder.cli.say import FAILED, USAGE, Stop, put, table

app = typer.Typer(
    help="The app in Slack: its manifest, and whether it works.", no_args_is_help=True
)
JSON = typer.Option(False, "--json", help="Print JSON.")


@app.command("manifest")
def print_manifest(
    mode: str = typer.Option("", help="socket or http; none: as the settings have it."),
    url: str = typer.Option("", help="Where Slack reaches this program, in the mode http."),
    look_back: bool = typer.Option(
        False, "--look-back", help="With the scopes of `slack.look_back: true`."
    ),
    as_json: bool = JSON,
) -> None:
    """Print the app's manifest, with exactly the scopes that are used, to paste into Slack."""
    import sys  # noqa: PLC0415

    import yaml  # noqa: PLC0415

    from responder.settings import read_settings  # noqa: PLC0415
    from responder.slack.manifest import manifest  # noqa: PLC0415

    settings = read_settings()
    mode = mode or (settings.slack.mode if settings.slack else "socket")
    if mode not in ("socket", "http"):
        raise Stop(USAGE, f"--mode: expected socket or http, found {mode!r}")
    origin = (url or settings.api.public_url or "").rstrip("/")
    if mode == "http" and not origin.startswith("https://"):
        raise Stop(USAGE, "mode http: expected --url, or api.public_url, with https://")
    look_back = look_back or bool(settings.slack and settings.slack.look_back)
    made: dict[str, Any] = manifest(
        "http" if mode == "http" else "socket", origin, look_back=look_back
    )
    if as_json:
        put(made)
    else:
        sys.stdout.write(yaml.safe_dump(made, sort_keys=False, allow_unicode=True))


@app.command("check")
def check_slack(as_json: bool = JSON) -> None:
    """Try tokens, scopes, channels and a message there and back; each fault comes with its remedy."""
    import asyncio  # noqa: PLC0415

    from responder.settings import read_settings  # noqa: PLC0415
    from responder.slack.checking import Check, check  # noqa: PLC0415

    settings = read_settings().slack
    if settings is None:
        raise Stop(
            FAILED, "Slack is not configured; describe the app under `slack:` in responder.yaml"
        )

    async def all_of_them() -> list[Check]:
        return [one async for one in check(settings)]

    found = asyncio.run(all_of_them())
    if as_json:
        put([one.model_dump() for one in found])
    else:
        table(
            ("check", "", "found", "wanted", "fix"),
            [(c.name, "ok" if c.ok else "fail", c.found, c.wanted, c.fix) for c in found],
            empty="nothing was checked",
        )
    bad = [one.name for one in found if not one.ok]
    if bad:
        raise Stop(FAILED, f"{len(bad)} of {len(found)} failed: {', '.join(bad)}")
