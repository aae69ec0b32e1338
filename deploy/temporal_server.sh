#!/bin/sh
# The server takes its database's password from a variable only; here it comes from a file.
set -eu
POSTGRES_PWD=$(cat /run/secrets/temporal_password)
export POSTGRES_PWD
# Bound to every address, it must be told the one that others find it by.
TEMPORAL_BROADCAST_ADDRESS=$(getent hosts "$(hostname)" | awk 'NR == 1 { print $1 }')
export TEMPORAL_BROADCAST_ADDRESS
exec temporal-server start
