"""Where the keys of a state folder are, and making those that are missing."""

from pathlib import Path

from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.intrusion.marks import Marks


class Keys:
    """
    The files of `<state>/keys`.

    `payloads.json` (Temporal's payloads), `secrets.json` (seals the files of the secret store),
    `evidence.json` (seals evidence), `marks.json` (marks what we send to Temporal) and
    `approvals.pub` are for `serve` and `worker`;
    `warrants.json` (seals what was begun) is for `worker` alone, and all workers share it: whoever takes
    over `serve` cannot make a row look as if a worker had written it.
    `approvals.key` (signs decisions), `tokens.json` (signs tokens of the API) and `store.json` (seals
    deliveries and second factors) are for `serve` alone: a worker that is taken over can neither
    approve, nor sign in, nor read a factor's secret.
    """

    def __init__(self, state: Path) -> None:
        self.folder = state / "keys"
        self.payloads = self.folder / "payloads.json"
        self.store = self.folder / "store.json"
        self.secrets = self.folder / "secrets.json"
        self.evidence = self.folder / "evidence.json"
        self.marks = self.folder / "marks.json"
        self.warrants = self.folder / "warrants.json"
        self.tokens = self.folder / "tokens.json"
        self.private = self.folder / "approvals.key"
        self.public = self.folder / "approvals.pub"

    def make_missing(self) -> None:
        """Make every key of `serve` and what it shares with workers, where it is not there yet."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        KeyRing.at(self.payloads)
        KeyRing.at(self.store)
        KeyRing.at(self.secrets)
        KeyRing.at(self.evidence)
        Marks.at(self.marks)
        Signer.at(self.private, self.public)

    def make_for_workers(self) -> None:
        """Make the keys that workers alone have, where they are not there yet: in one place only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        KeyRing.at(self.warrants)
