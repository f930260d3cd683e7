#!/usr/bin/env bash
# Lays docker compose and buildx as Debian trixie packages them into FOLDER/cli-plugins, for a docker that lacks them.
# Used by tests only: plugins.sh FOLDER
set -euo pipefail
folder=$1/cli-plugins
[ "$(dpkg --print-architecture 2> /dev/null)" = amd64 ] || { echo 'only for Debian on amd64' >&2; exit 69; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"
# From wherever this machine gets its packages.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
while read -r hash package; do
    curl --fail --silent --show-error --output "$work/deb" "${mirror}pool/main/d/$package"
    echo "$hash  $work/deb" | sha256sum --check --quiet
    dpkg-deb -x "$work/deb" "$work/files"
done << 'END'
47681197cb2b1ab88206b42a1a92fc75f50d9530a6322d03494a473eed0408ea docker-compose/docker-compose_2.26.1-4_amd64.deb
fcf8c48204d1603c8f209451d7827eb91bf30759578baf7704e9e1a87e5f1d7f docker-buildx/docker-buildx_0.13.1+ds1-3_amd64.deb
END
find "$work/files" -path '*/cli-plugins/docker-*' -type f -exec install -m 0755 -t "$folder" {} +
