#!/usr/bin/env bash
# Runs each fuzz target for FUZZ_SECONDS, from the seeds of fuzz/corpus and what earlier runs found.
# FUZZ_TARGETS names some of them. Stops at the first finding; the input lies in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh

FUZZ_SECONDS=${FUZZ_SECONDS:-60}
# Bounds on one input.
INPUT_BYTES_MAX=65536
INPUT_SECONDS_MAX=10
MEMORY_MB_MAX=2048

have rustup && (cd / && cargo +nightly --version) >/dev/null 2>&1 ||
    fail "fuzzing needs a nightly toolchain; run: rustup toolchain install nightly"
have cargo-fuzz || fail "fuzzing needs cargo-fuzz; run: cargo install cargo-fuzz"
have c++ || install_packages g++ || fail "fuzzing needs a C++ compiler for libFuzzer"

export WATCHKEEP_CACHE=${WATCHKEEP_CACHE:-$HOME/.cache/watchkeep}
# Instrumented builds lie apart, so that they and ordinary ones do not undo each other.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$WATCHKEEP_CACHE/target}/fuzz
export RUSTUP_TOOLCHAIN=nightly

targets=${FUZZ_TARGETS:-$(cargo fuzz list)}
say "building"
cargo fuzz build
for target in $targets; do
    say "$target for $FUZZ_SECONDS seconds"
    mkdir -p "fuzz/corpus-found/$target" "fuzz/corpus/$target"
    # The first folder takes what is found; the seeds are only read.
    cargo fuzz run "$target" "fuzz/corpus-found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$FUZZ_SECONDS" -max_len="$INPUT_BYTES_MAX" -timeout="$INPUT_SECONDS_MAX" \
        -rss_limit_mb="$MEMORY_MB_MAX" -print_final_stats=1
done
say "no finding in: ${targets//$'\n'/ }"
