"""A suspect host, a vault in a folder, and collections between them."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.forensics import CollectEvidence
from activities.providers.live_response import LiveResponse
from activities.ssh import SSHShell
from activities.streams import open_streams
from responder.crypto.keyring import KeyRing
from responder.evidence.folder import FolderVault
from responder.evidence.settings import Scope
from responder.evidence.vault import Vault
from tests.lab.network import Lab

# Small trees: a lab host's root is this whole machine's, and listing it takes a minute.
SCOPE = Scope(
    roots=("/root/suspect", "/etc/cron.d"),
    temporary=("/root/suspect",),
    logs=("/root/suspect/log",),
)
INCIDENT = "INC-2026-0007"
Make = Callable[..., LiveResponse]


@pytest.fixture(autouse=True)
def _clean(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "lab" in request.fixturenames:
        request.getfixturevalue("lab").reset()


@pytest.fixture(scope="session")
def ring() -> KeyRing:
    """The keys that seal the vault."""
    return KeyRing.fresh()


@pytest.fixture
def vault(tmp_path: Path, ring: KeyRing) -> FolderVault:
    """An empty vault in a folder."""
    return FolderVault(tmp_path / "evidence", lambda: ring)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shell(lab: Lab) -> AsyncIterator[SSHShell]:
    """The kept connection to `web`, which has something to hide."""
    opened = SSHShell(lab.access("web"))
    said = await opened.run(
        "sh", "-c",
        "mkdir -p /root/suspect/log && cd /root/suspect && echo secret > plain && echo x > 'bar|name' && "
        "printf y > 'line\nbreak' && ln -s 'to|bar' link && echo 'entry one' > log/app.log && "
        "echo old > log/old.log && touch -d '2020-01-01' log/old.log",
    )  # fmt: skip
    assert said.status == 0, said
    yield opened
    await opened.close()


@pytest.fixture
def collection(lab: Lab, shell: SSHShell, vault: FolderVault) -> Make:
    """Makes collections of `web` into the vault."""

    def make(*, scope: Scope = SCOPE, into: Vault | None = None, **more: object) -> LiveResponse:
        action = CollectEvidence.model_validate({"host": "web", "incident": INCIDENT} | more)
        streams = open_streams(lab.access("web"), shell)
        return LiveResponse(into or vault, shell, streams, action, scope=scope)

    return make
