#!/bin/bash
# What docker-compose.yml uses of the official image's entry point: a cluster is made in an empty PGDATA, with the
# user, the database and the password that the environment names.
set -euo pipefail
[ "${1:-}" = postgres ] || exec "$@"
[ "$(id -u)" != 0 ] || { echo 'the stand-in runs as another user than root only' >&2; exit 1; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    chmod 0700 "$PGDATA" 2>/dev/null || true
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" ${POSTGRES_INITDB_ARGS:-} > /dev/null
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
    export PGPASSWORD
    pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start > /dev/null
    [ "$POSTGRES_DB" = postgres ] || createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
    pg_ctl -D "$PGDATA" -m fast -w stop > /dev/null
    unset PGPASSWORD
fi
[ "$#" -gt 1 ] && exec "$@" -c listen_addresses='*'
exec postgres -c listen_addresses='*'
