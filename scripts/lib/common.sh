# Sourced by the scripts: words to the reader, and installing Debian packages.
# shellcheck shell=bash

# Longest wait for one call of a package manager, and how often it is tried.
PACKAGE_TIMEOUT_SECONDS=300
PACKAGE_TRIES=3

# Every line to the reader goes to stderr, so that stdout stays for a script's result.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

fail() {
    say "error: $*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command up to PACKAGE_TRIES times, each under the time-out.
retry() {
    local try
    for ((try = 1; try <= PACKAGE_TRIES; try++)); do
        timeout "$PACKAGE_TIMEOUT_SECONDS" "$@" </dev/null && return 0
        say "try $try of $PACKAGE_TRIES of $1 failed"
    done
    return 1
}

# Installs Debian packages as root; says which to install otherwise, and fails.
install_packages() {
    if ! have apt-get; then
        say "install by hand what Debian calls: $*"
        return 1
    fi
    if [[ $(id -u) -ne 0 ]]; then
        say "not root; run: sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
        return 1
    fi
    say "installing $*"
    export DEBIAN_FRONTEND=noninteractive
    retry apt-get -q -o Acquire::http::Timeout=30 update >&2 &&
        retry apt-get -q -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=120 \
            install -y --no-install-recommends "$@" >&2
}
