#!/bin/sh
# Secrets and settings for docker-compose.yml, in deploy/local; what is there already is kept.
# The folder is closed to others; the files in it are readable, since containers run as other users.
set -eu
cd "$(dirname "$0")"
local=${1:-local}
umask 022
mkdir -p "$local"
chmod 700 "$local"

secret() { [ -s "$local/$1" ] || head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$local/$1"; }
secret postgres_password
secret temporal_password
secret store_password
secret feed_token

key() {
    [ -s "$local/$1" ] || ssh-keygen -q -t ed25519 -N '' -C "$1" -f "$local/$1"
    chmod 644 "$local/$1"
}
key firewall_key
key firewall_host_key

if [ ! -s "$local/responder.yaml" ]; then
    webhook=$(head -c 32 /dev/urandom | base64 | tr -d '\n')
    host_key=$(cut -d' ' -f1,2 "$local/firewall_host_key.pub")
    sed -e "s|WEBHOOK_SECRET|whsec_$webhook|" -e "s|HOST_KEY|$host_key|" \
        -e "s|FEED_TOKEN|$(cat "$local/feed_token")|" responder.yaml >"$local/responder.yaml"
fi
echo "ready in deploy/$local: read responder.yaml there, then docker compose up --build --wait"
