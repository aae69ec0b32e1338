"""One collection of evidence from one host: not there, or complete in the vault."""

from datetime import datetime

from pydantic import JsonValue

from activities.collecting.acquiring import Acquisition, Asked
from activities.collecting.kept import kept
from activities.forensics import Acquired, CollectEvidence
from activities.profile import Profile, Proof
from activities.shell import Shell
from activities.streams import Streams
from responder.contract import Found
from responder.errors import Refused, Unreachable
from responder.evidence.settings import Scope
from responder.evidence.vault import Vault

_running: set[str] = set()  # collections that this process works on

PROFILE = Profile(
    name="live response over SSH",
    answers=("CollectEvidence",),
    changes="nothing on the host but what reading leaves: processes of ours, access times, lines in its logs. "
    "Objects in the vault",
    permissions=(
        "root, or sudo -n sh: it reads /proc, /etc/shadow and logs",
        (
            "vault in S3: s3:GetBucketObjectLockConfiguration, ListBucket, PutObject, PutObjectRetention, "
            "PutObjectLegalHold, GetObject, GetObjectVersion, GetObjectRetention, GetObjectLegalHold, "
            "AbortMultipartUpload; with a key of KMS: kms:GenerateDataKey, kms:Decrypt"
        ),
    ),
    verified="the SHA-256 of each artefact at the source is that of what the vault gives back; complete once the "
    "manifest is in the vault",
    undone="not: evidence is kept, and its lock ends when it was set to",
    proof=Proof.REAL,
    against="sshd of a host, into a vault in a folder; the vault in S3: ministack, never AWS",
)


class LiveResponse:
    """Evidence of one host over its shell; complete once its manifest is in the vault."""

    expires_by_itself = False

    def __init__(
        self,
        vault: Vault,
        shell: Shell,
        streams: Streams,
        action: CollectEvidence,
        *,
        scope: Scope | None = None,
    ) -> None:
        self._vault = vault
        self._shell = shell
        self._streams = streams
        self._action = action
        self._scope = scope or Scope()
        self.name = f"evidence/{action.incident}/{action.host}/{action.collection}"

    async def read(self) -> Found[Acquired]:
        """Whether it is complete in the vault."""
        action = self._action
        return await kept(self._vault, action.incident, action.host, action.collection)

    async def write(
        self,
        state: Acquired,
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue = None,
    ) -> None:
        """Acquire what is not in the vault yet. Evidence is never taken out again."""
        if state is not Acquired.ACQUIRED:
            raise Refused(f"{self.name}: evidence is kept; nothing was taken out of the vault")
        action = self._action
        if tag and tag != action.incident:
            raise Refused(
                f"{self.name}: expected the incident of the run, {tag}, but found "
                f"{action.incident}; nothing was collected"
            )
        if self.name in _running:
            raise Unreachable(f"{self.name}: another attempt of this worker is collecting it")
        asked = Asked(
            case=action.incident,
            host=action.host,
            collection=action.collection,
            profile=action.profile,
            window=action.window,
            waived=tuple(one.waiver for one in action.waived),
            actor=key,
        )
        _running.add(self.name)
        try:
            await Acquisition(self._vault, self._shell, self._streams, asked, self._scope).run()
        finally:
            _running.discard(self.name)
