#!/bin/sh
# Temporal's tables: made on the first start, brought up to date on every later one.
set -eu
SQL_PASSWORD=$(cat /run/secrets/temporal_password)
export SQL_PASSWORD
tool() {
    database=$1
    shift
    temporal-sql-tool --plugin postgres12 --ep postgresql -p 5432 -u temporal --db "$database" "$@"
}
for database in temporal temporal_visibility; do
    tool "$database" create || echo "$database is there already"
    tool "$database" setup-schema -v 0.0 || echo "$database has its tables already"
done
tool temporal update-schema -d /etc/temporal/schema/postgresql/v12/temporal/versioned
tool temporal_visibility update-schema -d /etc/temporal/schema/postgresql/v12/visibility/versioned
