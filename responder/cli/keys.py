"""`responder keys`."""

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import typer

from responder.cli.say import FAILED, Stop, put, table, talk

if TYPE_CHECKING:
    from pathlib import Path

    from responder.crypto.keyring import KeyRing
    from responder.settings import Settings

app = typer.Typer(
    help="The keys that this runner manages, and the rings that seal what it keeps.",
    no_args_is_help=True,
)
JSON = typer.Option(False, "--json", help="Print JSON.")
# The brief's retention of AES data keys. Temporal's payloads cannot be sealed anew: their keys are
# kept for as long as Temporal keeps histories, so they are not destroyed by this command.
RETENTION = timedelta(days=30)


class Ring(StrEnum):
    """The rings of the state folder."""

    PAYLOADS = "payloads"
    STORE = "store"
    EVIDENCE = "evidence"
    SECRETS = "secrets"
    WARRANTS = "warrants"


# Why the old keys of a ring are kept.
_KEPT = {
    Ring.PAYLOADS: "Temporal's histories cannot be sealed anew; keep the old keys of payloads for as long "
    "as Temporal keeps histories and the oldest incident is open",
    Ring.EVIDENCE: "evidence is not sealed anew, so that its digests go on holding; keep the old keys of "
    "evidence for as long as the evidence",
    Ring.WARRANTS: "warrants are not sealed anew; keep the old keys of warrants for as long as anything is "
    "held that began under them",
}


class Order(StrEnum):
    """The order of a rotation."""

    PLANNED = "planned"
    EMERGENCY = "emergency"


@app.command("list")
def list_keys(as_json: bool = JSON) -> None:
    """The managed keys with their versions' ages, retention and next rotation."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", "/api/keys")
    if as_json:
        put(found)
        return
    rows = [
        (
            key["name"],
            f"{key['type']} {key['size']}",
            version["id"][:8],
            version["stage"],
            version["made"][:16],
            (version["kept_until"] or "")[:16],
            (key["next"] or "")[:16],
        )
        for key in found
        for version in key["versions"]
        or [{"id": "", "stage": "none", "made": "", "kept_until": ""}]
    ]
    columns = ("key", "", "version", "stage", "made (UTC)", "accepted until", "next rotation")
    table(columns, rows, empty="key_rotation.keys names no key")


@app.command()
def rotate(
    name: str = typer.Argument(
        help="A key of key_rotation.keys, or payloads, store, secrets, warrants."
    ),
    mode: Order = typer.Option(
        Order.PLANNED, help="planned: replace, then retire; emergency: revoke, then restore."
    ),
) -> None:
    """Rotate one key now: opens an incident for a managed key, adds a key to a ring of this runner."""
    if name in {ring.value for ring in Ring}:
        _rotate_ring(Ring(name))
        return
    from responder.cli.remote import ask  # noqa: PLC0415

    answer = ask("POST", "/api/keys/rotate", json={"name": name, "mode": mode.value})
    talk(
        f"{answer['incident']}: {mode} rotation of {name}\n\n"
        f"next: responder incidents show {answer['incident']}"
    )


@app.command()
def schedule(as_json: bool = JSON) -> None:
    """What is opened by plan, and when Temporal will do so next."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", "/api/schedules")
    if as_json:
        put(found)
        return
    rows = [
        (
            one["name"],
            one["cron"],
            one["time_zone"],
            ", ".join(one["what"]),
            ", ".join(moment[:16] for moment in one["next"][:3])
            or "never: paused, or not in Temporal",
        )
        for one in found
    ]
    table(("schedule", "cron", "zone", "what", "next (UTC)"), rows, empty="nothing is scheduled")


@app.command()
def rings() -> None:
    """The keys of this runner's own rings, the active one marked."""
    from responder.keys import Keys  # noqa: PLC0415

    keys = Keys(_settings().state)
    for ring in Ring:
        if not getattr(keys, ring.value).exists():  # serve alone has no ring of the workers'
            typer.echo(f"{ring}  none here")
            continue
        kept, _ = _load(ring)
        for name in kept.ids:
            at = kept.retired.get(name)
            state = (
                "active" if name == kept.active else f"retired {at:%Y-%m-%d}" if at else "retired"
            )
            typer.echo(f"{ring}  {name}  {state}")


@app.command()
def destroy(ring: Ring) -> None:
    """Seal anew what old keys of a ring sealed, then destroy those that were retired 30 days ago."""
    if said := _KEPT.get(ring):
        raise Stop(FAILED, f"{said}; nothing was changed")
    import asyncio  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    kept, path = _load(ring)
    settings = _settings()
    done = asyncio.run(_reseal(ring, settings, kept))
    old = kept.past(RETENTION, datetime.now(UTC))
    if old:
        kept.without(old).save(path)
    talk(
        f"{done} sealed anew with {kept.active}; destroyed: {', '.join(old) or 'none'}; in the ring "
        f"{path} are {len(kept.ids) - len(old)} keys"
    )


async def _reseal(ring: Ring, settings: "Settings", kept: "KeyRing") -> int:
    if ring is Ring.SECRETS:
        from responder.secrets.sealed import SealedSecrets  # noqa: PLC0415

        return SealedSecrets(settings.rotation.folder, lambda: kept).reseal()
    from responder.crypto.resealing import reseal  # noqa: PLC0415
    from responder.store import Store  # noqa: PLC0415

    store = Store(settings.database)
    try:
        return await reseal(store, kept)
    finally:
        await store.close()


def _rotate_ring(ring: Ring) -> None:
    kept, path = _load(ring)
    rotated = kept.rotated()
    rotated.save(path)
    where = "worker" if ring is Ring.WARRANTS else "serve and worker"
    talk(
        f"{rotated.active} is active, {len(rotated.ids)} keys are in the ring {path}\n\n"
        f"next: copy the file to every {where}{_then(ring)}"
    )


def _then(ring: Ring) -> str:
    if ring is Ring.SECRETS:
        return ""
    return ", then restart the workers" + ("" if ring is Ring.WARRANTS else ", then serve")


def _load(ring: Ring) -> "tuple[KeyRing, Path]":
    from responder.crypto.keyring import KeyRing  # noqa: PLC0415
    from responder.keys import Keys  # noqa: PLC0415

    path: Path = getattr(Keys(_settings().state), ring.value)
    return KeyRing.load(path), path


def _settings() -> "Settings":
    from responder.settings import read_settings  # noqa: PLC0415

    return read_settings()
