"""`responder keys`."""

from enum import StrEnum

import typer

from responder.cli.say import talk

app = typer.Typer(help="The keys that seal what is kept.", no_args_is_help=True)


class Ring(StrEnum):
    """Which key ring."""

    PAYLOADS = "payloads"
    STORE = "store"
    EVIDENCE = "evidence"


@app.command()
def rotate(ring: Ring) -> None:
    """Add a key and make it the active one; what older keys sealed still opens."""
    from responder.crypto.keyring import KeyRing  # noqa: PLC0415
    from responder.keys import Keys  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415

    path = getattr(Keys(read_settings().state), ring.value)
    rotated = KeyRing.load(path).rotated()
    rotated.save(path)
    talk(
        f"{rotated.active} is active, {len(rotated.ids)} keys are in the ring {path}\n\n"
        "next: copy the file to every serve and worker, then restart the workers, then serve"
    )


@app.command("list")
def list_keys() -> None:
    """The ids of the keys, the active one marked."""
    from responder.crypto.keyring import KeyRing  # noqa: PLC0415
    from responder.keys import Keys  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415

    keys = Keys(read_settings().state)
    for ring in Ring:
        kept = KeyRing.load(getattr(keys, ring.value))
        for name in kept.ids:
            typer.echo(f"{ring}  {name}{'  active' if name == kept.active else ''}")
