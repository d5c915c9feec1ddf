#!/usr/bin/env bash
# Checks that a build can start: a Rust toolchain, and a C compiler to link with. Installs a missing
# linker with apt when run by root, and says what to install otherwise. Says nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh

if ! have cargo && [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
    fail "cargo is installed but not on the PATH; run: . \"${CARGO_HOME:-$HOME/.cargo}/env\""
fi
have cargo || fail "no cargo; install a Rust toolchain with rustup (see rust-toolchain.toml for the version)"
cargo --version >/dev/null || fail "cargo does not start; run: rustup toolchain install"

missing=()
have cc || missing+=(gcc libc6-dev)
if ((${#missing[@]} > 0)); then
    say "no C compiler (cc) to link with"
    install_packages "${missing[@]}" || fail "a build needs: ${missing[*]}"
fi
