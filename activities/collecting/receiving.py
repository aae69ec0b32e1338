"""Bringing one artefact from where it is made into the vault: whole and right, or not at all."""

import asyncio
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import structlog

from activities.streams import Failed, Transfer
from responder.evidence.vault import Place, Stored, Vault

log = structlog.get_logger(__name__)
_PROGRESS_SECONDS = 10.0
# Threads of their own: a stream takes minutes, and the loop's few are for what takes moments.
_THREADS = ThreadPoolExecutor(32, thread_name_prefix="evidence")
_COMPLAINT = 300  # characters


async def receive(vault: Vault, place: Place, transfer: Transfer) -> Stored:
    """
    Stream *transfer* into the vault, in a thread; how far it is goes to the log every ten seconds.

    If this is cancelled the command on the host is ended, and nothing is kept. Raises what the
    transfer and the vault raise, and `Failed` if what came is not what the host says it sent.
    """
    loop = asyncio.get_running_loop()
    work = loop.run_in_executor(_THREADS, vault.put, place, checked(transfer))
    try:
        while True:
            done, _ = await asyncio.wait({work}, timeout=_PROGRESS_SECONDS)
            if done:
                return work.result()
            log.info("evidence_progress", at=place.path, bytes=transfer.received)
    except asyncio.CancelledError:
        transfer.stop()
        await asyncio.gather(work, return_exceptions=True)
        raise


def checked(transfer: Transfer) -> Iterator[bytes]:
    """
    The chunks of *transfer*; raises at the end, before the vault keeps them, if they are not right.

    That is: when the host's digest is of something else, or when a command failed without a word.
    """
    digest, size = hashlib.sha256(), 0
    for chunk in transfer:
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    ended = transfer.ended
    assert ended is not None
    if ended.sha256 != digest.hexdigest():
        raise Failed(f"the host sent {ended.sha256}, what arrived is {digest.hexdigest()}")
    if not size and ended.status:
        said = " ".join(ended.complaint.split())[:_COMPLAINT]
        raise Failed(f"exit status {ended.status}: {said or 'and no word why'}")
