"""SSH public keys as text: what an authorized_keys line holds, and its fingerprint. Pure."""

import base64
import binascii
import hashlib
import re

from pydantic import Field

from responder.incident import Frozen

FINGERPRINT = r"^SHA256:[A-Za-z0-9+/]{43}$"
_TYPE = re.compile(r"(sk-)?(ssh|ecdsa)-[A-Za-z0-9@.-]+")
_LENGTH = 4  # bytes before each field of a key blob: RFC 4251, section 5, "string"


class PublicKey(Frozen):
    """One line of an authorized_keys file that holds a key (sshd(8), AUTHORIZED_KEYS FILE FORMAT)."""

    options: str = Field(default="", description="What precedes the key: `restrict,command=…`.")
    type: str
    blob: str = Field(description="The key itself, in base64.")
    comment: str = ""

    @property
    def fingerprint(self) -> str:
        """`SHA256:` and the unpadded base64 of the blob's SHA-256, as ssh-keygen -l prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    def __str__(self) -> str:
        return " ".join(part for part in (self.options, self.type, self.blob, self.comment) if part)


def parse_line(line: str) -> PublicKey | None:
    """The key that *line* holds; None for a comment, an empty line or anything sshd would skip."""
    text = line.strip(" \t\r\n")
    if not text or text.startswith("#"):
        return None
    found = _key(text)
    if found is not None:
        return found
    options, rest = _after_options(text)
    found = _key(rest)
    return None if found is None else found.model_copy(update={"options": options})


def _key(text: str) -> PublicKey | None:
    words = text.split(None, 2)
    if len(words) < 2 or not _TYPE.fullmatch(words[0]):  # noqa: PLR2004 - type and blob
        return None
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        return None
    named = blob[_LENGTH : _LENGTH + int.from_bytes(blob[:_LENGTH], "big")]
    if named != words[0].encode():
        return None
    return PublicKey(type=words[0], blob=words[1], comment=words[2] if len(words) > 2 else "")  # noqa: PLR2004 - the comment


def _after_options(text: str) -> tuple[str, str]:
    """*text* cut where sshd ends the options: at the first blank outside double quotes."""
    quoted = escaped = False
    for i, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = quoted
        elif char == '"':
            quoted = not quoted
        elif char in " \t" and not quoted:
            return text[:i], text[i:].strip(" \t")
    return text, ""
