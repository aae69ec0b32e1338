"""How a machine is reached: over SSH with a pinned host key, or as this machine itself."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from responder.incident import Frozen


class OverSSH(Frozen):
    """A Linux host that is reached over SSH."""

    via: Literal["ssh"] = Field(default="ssh", description="Over SSH.")
    address: str = Field(description="Host name or address of its sshd.")
    port: int = Field(default=22, ge=1, le=65535, description="The port of its sshd.")
    user: str = Field(default="root", description="The account to sign in as.")
    key_file: Path = Field(description="The private key (OpenSSH format) to sign in with.")
    host_key: str = Field(
        description="The host's public key, `ssh-ed25519 AAAA…`; any other is refused.",
        pattern=r"^(ssh-ed25519|ecdsa-sha2-nistp\d+|rsa-sha2-512|ssh-rsa) [A-Za-z0-9+/=]+",
    )
    sudo: bool = Field(default=False, description="Put `sudo -n` before commands.")


class Local(Frozen):
    """Commands run on this machine, behind an optional prefix such as `ip netns exec demo`."""

    via: Literal["local"] = Field(default="local", description="On this machine.")
    prefix: tuple[str, ...] = Field(default=(), description="Words put before each command.")


Access = Annotated[OverSSH | Local, Field(discriminator="via")]
