"""One host of the lab: a real sshd with its own processes, name and files, over this machine's."""

import subprocess
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.lab.namespaces import command

# The first process of a host. Its root is this machine's, seen through a layer that forgets, so
# that no command on the host can write to this machine. /root is empty: the shell start-up files
# of whoever runs the tests would add to each command.
_BOOT = """
set -eu
hostname "$1"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/given /run/upper /run/work /run/root
cp "$2"/* /run/given
mount -t overlay overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work /run/root
cd /run/root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=700 tmpfs root
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p run/sshd root/.ssh
install -m 600 /run/given/authorized_keys root/.ssh/authorized_keys
install -m 600 /run/given/host_key etc/ssh/lab_host_key
install -m 644 /run/given/sshd_config etc/ssh/sshd_config
echo "$1" > etc/hostname
echo "127.0.0.1 $1" >> etc/hosts
# As a service manager does: an sshd that was told to begin anew while a visitor came in finds its
# port taken, and ends.
exec chroot . sh -c 'while :; do /usr/sbin/sshd -D -e; sleep 0.1; done'
"""

_SSHD = """
HostKey /etc/ssh/lab_host_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
MaxStartups 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
"""


class Host:
    """A booted host; `host_key` is what its sshd must show."""

    def __init__(self, name: str, folder: Path, authorized: str) -> None:
        self.name = name
        self._folder = folder
        folder.mkdir()
        self.host_key = new_key(folder / "host_key")
        (folder / "authorized_keys").write_text(f"{authorized} runner\n")
        (folder / "sshd_config").write_text(_SSHD)
        with (folder / "log").open("wb") as log:
            namespaces = ("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child")
            boot = ("sh", "-c", _BOOT, "boot", name, str(folder))
            self._process = subprocess.Popen(
                command(name, *namespaces, *boot), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    @property
    def log(self) -> str:
        """What its sshd said."""
        return (self._folder / "log").read_text(errors="replace")

    @property
    def runs(self) -> bool:
        """Whether its first process is alive."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it and, with its first process, everything on it."""
        self._process.kill()  # unshare ignores SIGTERM
        self._process.wait()


def new_key(path: Path) -> str:
    """Make an Ed25519 key: the private half goes to *path*, the public half is returned."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return public.decode()
