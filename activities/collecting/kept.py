"""What the vault says of a collection: not there, or complete."""

import asyncio

from pydantic import JsonValue

from activities.forensics import Acquired
from responder.contract import Found
from responder.errors import StateError, Unreachable
from responder.evidence.vault import NotThere, Vault
from responder.evidence.verify import manifest_of, manifest_place


async def kept(vault: Vault, case: str, host: str, collection: str) -> Found[Acquired]:
    """Whether the manifest is there; the record is the manifest and its digest."""
    place = manifest_place(case, host, collection)
    try:
        manifest, digest = await asyncio.to_thread(manifest_of, vault, place)
    except NotThere:
        return Found(state=Acquired.NONE)
    except StateError as error:
        raise Unreachable(f"evidence/{case}/{host}/{collection}: {error}") from error
    record: JsonValue = {"manifest_sha256": digest, "manifest": manifest.model_dump(mode="json")}
    return Found(state=Acquired.ACQUIRED, record=record)
