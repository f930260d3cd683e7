#!/usr/bin/env bash
# Builds images that stand in for the official ones where no registry can be reached; used by tests only.
#
#   stand-ins.sh servers NATS_SERVER    postgres, nats and the runtime base
#   stand-ins.sh rust TOOLCHAIN         the builder, from a toolchain's folder (rustc --print sysroot)
#
# Needs root and debootstrap, which it installs where it can; 69 says that it can't. What was built once is kept by
# the engine.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=lanesync-stand-in
built() { docker image inspect "$1" > /dev/null 2>&1; }
build() { # target tag context
    docker buildx build --quiet --load --file "$here/stand-ins.Dockerfile" --target "$1" --tag "$name/$2" \
        --secret id=trusted,src="${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$3" > /dev/null
}

install_debootstrap() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        echo 'no registry answers, and debootstrap is missing: apt-get install -y debootstrap' >&2
        exit 69
    fi
    { apt-get update && apt-get install -y --no-install-recommends debootstrap; } > /dev/null
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! built "$name/debian:trixie"; then
    command -v debootstrap > /dev/null || install_debootstrap
    debootstrap --variant=minbase --include=ca-certificates trixie "$work/debian" > "$work/log" 2>&1 \
        || { tail -5 "$work/log" >&2; exit 1; }
    tar -C "$work/debian" -c . | docker import - "$name/debian:trixie" > /dev/null
fi
case "${1:-}" in
servers)
    mkdir "$work/context"
    cp "$2" "$work/context/nats-server"
    cp "$here/postgres-entrypoint.sh" "$work/context/"
    for image in postgres:17.11-trixie nats:2.15.1-alpine runtime:nonroot; do
        build "${image%%:*}" "$image" "$work/context"
    done
    ;;
rust) build rust rust:1.95.0-slim-trixie "$2" ;;
*) sed -n '4,6p' "$0" >&2; exit 64 ;;
esac
