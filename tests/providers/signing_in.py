"""Signing in to a host of the lab as ana, with keys of her own: what tests of SSH keys are judged by."""

import base64
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko

from activities.public_keys import parse_line
from tests.lab.hosts import new_key
from tests.lab.network import Lab, address

PORT = 80  # of a second sshd that logs to syslog; the lab's base filter lets it through
HOME = "/home/ana"
FILE = f"{HOME}/.ssh/authorized_keys"

# sshd names its process in the log only if it logs to syslog, so the host gets a /dev of its own
# (its /dev is this machine's) with a socket there, and something that writes what arrives to a file.
PREPARE = """
set -eu
mkdir -p /run/dev /run/krl
mount -t tmpfs -o mode=755 dev /run/dev
for d in null zero full random urandom tty; do cp -a /dev/$d /run/dev/$d; done
mkdir /run/dev/pts /run/dev/shm
mount --bind /dev/pts /run/dev/pts
ln -s pts/ptmx /run/dev/ptmx; ln -s /proc/self/fd /run/dev/fd; ln -s fd/0 /run/dev/stdin
mount --bind /run/dev /dev
rm -f /var/log/auth.log /var/log/auth.log.1
rm -rf /var/log/journal /run/log/journal
cat > /run/log.py <<'END'
import os, re, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("/dev/log"); os.chmod("/dev/log", 0o666)
f = open("/var/log/auth.log", "a", buffering=1)
while True:
    line = s.recv(8192).decode(errors="replace").rstrip("\\0\\n")
    f.write(re.sub(r"^<\\d+>(.{15}) ", r"\\1 web ", line) + "\\n")
END
setsid -f /usr/bin/python3 /run/log.py > /dev/null 2>&1
useradd -m -s /bin/sh ana
usermod -p '*' ana
ssh-keygen -q -k -f /run/krl/revoked
sed 's/^MaxStartups/RevokedKeys \\/run\\/krl\\/revoked\\nPort 80\\nMaxStartups/' /etc/ssh/sshd_config > /run/sshd_config
cp /run/sshd_config /etc/ssh/sshd_config
/usr/sbin/sshd -f /run/sshd_config -o PidFile=/run/second.pid
"""


class Keys:
    """Two keys of ana's, and one of somebody else's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public = {n: f"{new_key(folder / n)} {n}@example.com" for n in ("old", "new", "other")}

    def fingerprint(self, name: str) -> str:
        parsed = parse_line(self.public[name])
        assert parsed is not None
        return parsed.fingerprint


class Session:
    """Somebody signed in as ana, with a command that goes on."""

    def __init__(self, lab: Lab, keys: Keys, name: str, *, user: str = "ana") -> None:
        self.client = paramiko.SSHClient()
        kind, blob = lab.access("edge2").host_key.split()[:2]
        host_key = paramiko.PKey.from_type_string(kind, base64.b64decode(blob))
        self.client.get_host_keys().add(f"[{address('edge2')}]:{PORT}", kind, host_key)
        self.client.connect(
            address("edge2"), PORT, user, pkey=paramiko.PKey.from_path(keys.folder / name),
            allow_agent=False, look_for_keys=False, timeout=5,
        )  # fmt: skip
        _, self.out, _ = self.client.exec_command("echo in; exec sleep 60")
        assert self.out.readline() == "in\n"

    def ends_within(self, seconds: float) -> bool:
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if self.out.channel.exit_status_ready() or self.out.channel.closed:
                return True
            time.sleep(0.02)
        return False


@contextlib.contextmanager
def signed_in(lab: Lab, keys: Keys, name: str) -> Iterator[Session]:
    session = Session(lab, keys, name)
    try:
        yield session
    finally:
        session.client.close()


def lets_in(lab: Lab, keys: Keys, name: str) -> bool:
    try:
        with signed_in(lab, keys, name):
            return True
    except paramiko.AuthenticationException:
        return False
