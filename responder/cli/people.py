"""`responder people`."""

import typer

from responder.cli import factors, signing_in

app = typer.Typer(help="Second factors, tokens, sessions and passwords.", no_args_is_help=True)


app.command("enrol")(factors.enrol)
app.command("ticket")(factors.ticket)
app.command("backup-codes")(factors.backup_codes)
app.command("factors")(factors.show)
app.add_typer(factors.passkeys, name="passkeys")
signing_in.register(app)
