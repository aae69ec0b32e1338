#!/bin/sh
# Runs once, on an empty data folder: a role and a database for the store, apart from Temporal's.
# Temporal's role can not read the store: who holds Temporal's database can not forge a decision.
set -eu
password=$(cat /run/secrets/store_password)
psql --no-psqlrc --set ON_ERROR_STOP=1 --set password="$password" --username "$POSTGRES_USER" <<'SQL'
CREATE ROLE responder LOGIN PASSWORD :'password';
CREATE DATABASE responder OWNER responder;
REVOKE CONNECT ON DATABASE responder FROM PUBLIC;
CREATE ROLE temporal LOGIN CREATEDB;
SQL
password=$(cat /run/secrets/temporal_password)
psql --no-psqlrc --set ON_ERROR_STOP=1 --set password="$password" --username "$POSTGRES_USER" <<'SQL'
ALTER ROLE temporal PASSWORD :'password';
SQL
