#!/usr/bin/env bash
# Finds or fetches the real etcd that the tests of the etcd3 backend run, and links it as tools/etcd in the
# cache. WATCHKEEP_ETCD names another one, which is then only looked at.
#
# Sources: the PATH, Debian's package. What was fetched stays in the cache, so a second run fetches nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/debian-apt.sh
. scripts/lib/debian-apt.sh

# From here on etcd answers requests for the progress of a watch reliably.
OLDEST=3.5.13
DEBIAN_SUITE=trixie
DEBIAN_PACKAGE=etcd-server
# Bound on one `etcd --version`.
VERSION_TIMEOUT_SECONDS=30
# Bound on waiting for another run of a setup script.
LOCK_TIMEOUT_SECONDS=900

cache=${WATCHKEEP_CACHE:-$HOME/.cache/watchkeep}
tools=$cache/tools
debian=$tools/debian-$DEBIAN_SUITE-etcd

# Prints the version of an etcd, such as 3.5.16; fails when it does not run.
version_of() {
    local said
    said=$(timeout "$VERSION_TIMEOUT_SECONDS" "$1" --version 2>/dev/null </dev/null) || return 1
    said=$(sed -nE 's/^etcd Version: *([0-9.]+).*/\1/p' <<<"$said" | head -n1)
    [[ -n $said ]] && printf '%s\n' "$said"
}

# Whether an etcd runs and is new enough.
serves() {
    local version
    version=$(version_of "$1") || return 1
    [[ $(printf '%s\n' "$OLDEST" "$version" | sort -V | head -n1) == "$OLDEST" ]]
}

use() {
    serves "$1" || return 1
    ln -sfn "$(readlink -f "$1")" "$tools/etcd"
}

use_debian() {
    if [[ ! -x $debian/usr/bin/etcd ]]; then
        say "fetching Debian's $DEBIAN_PACKAGE of $DEBIAN_SUITE"
        debian_fetch "$DEBIAN_SUITE" "$DEBIAN_PACKAGE" "$debian" || return 1
    fi
    use "$debian/usr/bin/etcd"
}

if [[ -n ${WATCHKEEP_ETCD:-} && $WATCHKEEP_ETCD != "$tools/etcd" ]]; then
    serves "$WATCHKEEP_ETCD" || fail "WATCHKEEP_ETCD=$WATCHKEEP_ETCD does not run, or is older than $OLDEST"
    say "etcd $(version_of "$WATCHKEEP_ETCD"): $WATCHKEEP_ETCD"
    exit
fi

mkdir -p "$tools"
exec 9>"$tools/.lock"
flock -w "$LOCK_TIMEOUT_SECONDS" 9 || fail "another run of a setup script holds $tools/.lock"

on_path=$(command -v etcd || true)
{ [[ -n $on_path ]] && use "$on_path"; } || use_debian ||
    fail "no etcd from $OLDEST on; install one and name it in WATCHKEEP_ETCD"
say "etcd $(version_of "$tools/etcd"): $(readlink "$tools/etcd")"
