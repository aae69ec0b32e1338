#!/bin/sh
# sshd with the host key that responder.yaml pins, for the one key that the runner has.
set -eu
install -m 600 /run/secrets/firewall_host_key /etc/ssh/ssh_host_ed25519_key
install -m 600 /run/secrets/firewall_authorized_key /root/.ssh/authorized_keys
exec /usr/sbin/sshd -D -e -o HostKey=/etc/ssh/ssh_host_ed25519_key \
    -o PermitRootLogin=prohibit-password -o PasswordAuthentication=no
