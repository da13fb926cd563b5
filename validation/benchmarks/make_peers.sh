#!/usr/bin/env bash
# Makes the environment of the peers, once for each list of requirements, and prints its Python:
# make_peers.sh [LIST]
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
list=${1:-$here/requirements-peers.txt}
version=$(python3 -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
place=${XDG_CACHE_HOME:-$HOME/.cache}/wfrpde/peers-$version-$(sha256sum <"$list" | head -c 12)
if [[ ! -e $place/complete ]]; then
    rm -rf -- "$place"
    mkdir -p -- "$(dirname -- "$place")"
    python3 -m venv "$place"
    "$place/bin/python" -m pip install --disable-pip-version-check --quiet -r "$list" >&2
    touch "$place/complete"
fi
printf '%s\n' "$place/bin/python"
