#!/usr/bin/env bash
# Prints the rustup toolchain to use when the one that rust-toolchain.toml names cannot be had: the
# default toolchain, if it is at least as new. Prints nothing when the named one works, when there is
# no rustup, and when there is no stand-in (cargo then says itself what is wrong).
set -euo pipefail
cd "$(dirname "$0")/.."

command -v rustup >/dev/null 2>&1 || exit 0
cargo --version >/dev/null 2>&1 && exit 0

wanted=$(sed -nE 's/^channel *= *"([^"]+)".*/\1/p' rust-toolchain.toml)
for name in $(cd / && rustup toolchain list 2>/dev/null | sed -nE 's/^(stable[^ ]*).*/\1/p'); do
    version=$(cargo "+$name" --version 2>/dev/null | cut -d' ' -f2) || continue
    oldest=$(printf '%s\n' "$wanted" "$version" | sort -V | head -n1)
    if [[ $oldest == "$wanted" ]]; then
        echo "pick-toolchain.sh: Rust $wanted is not installed; using $name ($version)" >&2
        echo "$name"
        exit 0
    fi
done
