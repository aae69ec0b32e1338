"""The command line: one module a noun; what is heavy is imported inside the command that needs it."""

import sys

import typer

from responder.cli import (
    approvals,
    audit,
    config,
    demo,
    doctor,
    evidence,
    incidents,
    intake,
    keys,
    leases,
    oncall,
    pages,
    people,
    plan,
    playbooks,
    replay,
    running,
    simulate,
    slack,
    sources,
)

app = typer.Typer(
    name="responder",
    help="Answer security alerts with playbooks that are approved, timed, leased, undone and proved.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
demo.register(app)
running.register(app)
for noun, module in (
    ("incidents", incidents),
    ("playbooks", playbooks),
    ("approvals", approvals),
    ("leases", leases),
    ("people", people),
    ("oncall", oncall),
    ("pages", pages),
    ("sources", sources),
    ("slack", slack),
    ("intake", intake),
    ("audit", audit),
    ("evidence", evidence),
    ("config", config),
    ("keys", keys),
):
    app.add_typer(module.app, name=noun)
app.add_typer(pages.messages_app, name="messages")
plan.register(app)
simulate.register(app)
replay.register(app)
doctor.register(app)
sources.register(app)


def main() -> None:
    """Run a command; what went wrong is one line, and the exit status says whose it is to mend."""
    from responder.cli.say import failed  # noqa: PLC0415 - after the arguments are known to be right

    try:
        status = app(standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - every error ends here, as a line
        sys.exit(failed(error))
    if status:  # typer hands an exit back here: 130 after Ctrl-C
        sys.exit(status)
