"""`up`, `serve`, `worker`, `pause`, `resume`."""

import typer

from responder.cli.factors import BACKUP, CODE
from responder.cli.say import talk


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(serve)
    app.command()(worker)
    app.command()(pause)
    app.command()(resume)


def up() -> None:
    """Run everything on this machine: embedded Temporal, API, worker. Ctrl-C stops it."""
    import asyncio  # noqa: PLC0415

    from responder.settings import read_settings  # noqa: PLC0415
    from responder.supervise import Supervisor, run_up  # noqa: PLC0415
    from responder.telemetry import configure_logging  # noqa: PLC0415

    settings = read_settings()
    configure_logging(settings.log)

    def ready(supervisor: Supervisor) -> None:
        ui = supervisor.temporal.ui if supervisor.temporal else settings.temporal.target
        talk(
            f"ready\n  API          {settings.api.url}\n  Temporal UI  {ui}\n  files        {settings.state}\n"
            "next: responder doctor · responder sources list · responder incidents list"
        )

    asyncio.run(run_up(settings, ready))


def serve() -> None:
    """Run the API with its drain, outbox and reconciler."""
    import asyncio  # noqa: PLC0415

    from responder.api.app import run_serve  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415
    from responder.telemetry import configure_logging  # noqa: PLC0415

    settings = read_settings()
    configure_logging(settings.log)
    asyncio.run(run_serve(settings))


def worker() -> None:
    """Run a worker: it carries out, leases and undoes."""
    import asyncio  # noqa: PLC0415

    from responder.settings import read_settings  # noqa: PLC0415
    from responder.telemetry import configure_logging  # noqa: PLC0415
    from responder.worker import run_worker  # noqa: PLC0415

    settings = read_settings()
    configure_logging(settings.log)
    asyncio.run(run_worker(settings))


def pause(reason: str = typer.Option(..., help="Why; everybody sees it.")) -> None:
    """Let nothing new be done from now on; what is leased is still undone in time."""
    from responder.cli.remote import ask  # noqa: PLC0415

    ask("POST", "/api/pause", json={"reason": reason})
    talk("paused: nothing new is done; leases still end in time\n\nnext: responder resume")


def resume(code: str = CODE, backup_code: str = BACKUP) -> None:
    """Go on after a pause, which takes a second factor."""
    from responder.cli.remote import ask  # noqa: PLC0415

    ask("POST", "/api/resume", json={"code": backup_code or code})
    talk("resumed")
