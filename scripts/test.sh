#!/usr/bin/env bash
# Runs the suites one after the other, stops at the first that fails and shows its log, and ends with
# a table of times and one line that counts the tests: `N passed, M failed`.
#
# SUITES   which to run, in order (default: all)
# VERBOSE  set to show the logs as they grow
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh

ALL_SUITES='fmt scripts generated clippy unit etcd unit-etcd3 rocksdb clippy-all-features features doc unit-rocksdb cache proof
    defects kubectl end-to-end end-to-end-rocksdb end-to-end-etcd3'
SUITES=${SUITES:-$ALL_SUITES}
# Longest run of one suite: a build from nothing on two cores takes a third of it.
SUITE_TIMEOUT_SECONDS=2400
# How much of a failing log is shown.
FAILURE_LINES=400

export WATCHKEEP_CACHE=${WATCHKEEP_CACHE:-$HOME/.cache/watchkeep}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$WATCHKEEP_CACHE/target}
export WATCHKEEP_KUBECTLS=${WATCHKEEP_KUBECTLS:-$WATCHKEEP_CACHE/tools/kubectls}
export WATCHKEEP_ETCD=${WATCHKEEP_ETCD:-$WATCHKEEP_CACHE/tools/etcd}

# A check of what was committed must not move the lock file.
locked=()
if [[ -n ${CI:-} ]]; then locked=(--locked); fi

suite_fmt() { cargo fmt --all --check; }

suite_scripts() {
    local script
    for script in scripts/*.sh scripts/lib/*.sh .ci/run; do
        bash -n "$script" || return 1
    done
    if have shellcheck; then
        shellcheck -x -S warning scripts/*.sh scripts/lib/*.sh .ci/run
    fi
}

suite_generated() { cargo run -q "${locked[@]}" -p xtask -- check; }

suite_clippy() { cargo clippy "${locked[@]}" --workspace --all-targets -- -D warnings; }

# The suites before this one compile no C++, the ones after it link the library that it makes.
suite_rocksdb() { scripts/setup-rocksdb.sh; }

suite_clippy-all-features() {
    scripts/with-rocksdb.sh cargo clippy "${locked[@]}" --workspace --all-targets --all-features -- -D warnings
}

# What the other suites leave out: the crates without a backend, and with RocksDB alone, which is linted here
# and tested by unit-rocksdb. With memory alone they are what clippy and unit take, with both what
# clippy-all-features takes.
suite_features() {
    local crates=(-p watchkeep-storage -p watchkeep-server --no-default-features)
    cargo clippy "${locked[@]}" "${crates[@]}" --all-targets -- -D warnings &&
        scripts/with-rocksdb.sh cargo clippy "${locked[@]}" "${crates[@]}" --features rocksdb --all-targets \
            -- -D warnings &&
        run_tests "${crates[@]}"
}

suite_doc() {
    RUSTDOCFLAGS='-D warnings' scripts/with-rocksdb.sh \
        cargo doc "${locked[@]}" --workspace --no-deps --all-features
}

suite_unit() { run_tests --workspace --exclude watchkeep-tests --exclude watchkeep-proof --exclude watchkeep-cacher; }

# RocksDB alone: what needs memory runs in unit.
suite_unit-rocksdb() { run_tests -p watchkeep-storage -p watchkeep-server --no-default-features --features rocksdb; }

# The cache, over every backend, and what its threads share in every interleaving.
suite_cache() {
    run_tests -p watchkeep-cacher --features rocksdb,etcd3 &&
        run_tests -p watchkeep-cacher --features model --lib
}

# Random programs and histories, on every backend.
suite_proof() { run_tests -p watchkeep-proof --features rocksdb,etcd3; }

# Failures at every point of the backends, and seeded defects, each of which has to be found. What is shipped has
# neither.
suite_defects() {
    local shipped
    shipped=$(cargo tree "${locked[@]}" -p watchkeep-server --features rocksdb,etcd3,jemalloc -e normal) || return
    if grep -w ' fail' <<<"$shipped"; then return 1; fi
    # In milliseconds: that something is found matters, not how small it becomes.
    PROPTEST_MAX_SHRINK_TIME=5000 \
        run_tests -p watchkeep-proof --features rocksdb,etcd3,failpoints --test faults --test defects
}

suite_etcd() { scripts/setup-etcd.sh; }

# etcd3 alone, against a real etcd for each test.
suite_unit-etcd3() {
    cargo clippy "${locked[@]}" -p watchkeep-storage -p watchkeep-server --no-default-features --features etcd3 \
        --all-targets -- -D warnings &&
        run_tests -p watchkeep-storage -p watchkeep-server --no-default-features --features etcd3
}

suite_kubectl() { scripts/setup-kubectl.sh; }

# The server with everything, as `make run` builds it for the disk.
build_server() {
    scripts/with-rocksdb.sh cargo build "${locked[@]}" -p watchkeep-server --features rocksdb,etcd3,jemalloc \
        --bin watchkeep
}

suite_end-to-end() { build_server && WATCHKEEP_TEST_BACKEND=memory run_tests -p watchkeep-tests; }

# The tests of kubectl once more, on the other backends. Those that choose their backend ran already.
suite_end-to-end-rocksdb() { end_to_end_on rocksdb --test soak; }
suite_end-to-end-etcd3() { end_to_end_on etcd3; }

end_to_end_on() {
    local backend=$1
    shift
    build_server &&
        WATCHKEEP_TEST_BACKEND=$backend run_tests -p watchkeep-tests --test 'kubectl_*' --test process "$@"
}

# nextest bounds the time of each test; it does not run documentation tests. Who names targets wants those and
# no others.
run_tests() {
    local -a run=(cargo)
    if [[ " $* " == *" --features rocksdb"* ]]; then run=(scripts/with-rocksdb.sh cargo); fi
    if ! have cargo-nextest; then
        "${run[@]}" test "${locked[@]}" "$@"
        return
    fi
    "${run[@]}" nextest run "${locked[@]}" --no-fail-fast --no-tests=pass "$@" || return
    if [[ " $* " != *" --test "* && " $* " != *" --lib "* ]]; then "${run[@]}" test "${locked[@]}" --doc "$@"; fi
}

# Prints `passed failed`, summed over the results of cargo test and nextest in the logs given.
count_tests() {
    sed -E 's/\x1b\[[0-9;]*m//g' "$@" | awk '
        /^test result:/ || /^ *Summary \[.*tests? run:/ {
            if (match($0, /[0-9]+ passed/)) passed += substr($0, RSTART, RLENGTH)
            if (match($0, /[0-9]+ failed/)) failed += substr($0, RSTART, RLENGTH)
            if (match($0, /[0-9]+ timed out/)) failed += substr($0, RSTART, RLENGTH)
        }
        END { print passed + 0, failed + 0 }'
}

# Runs one suite in a shell of its own, so that a time-out or an interrupt ends all that it started.
run_suite() {
    local log=$1 suite=$2
    if [[ -n ${VERBOSE:-} ]]; then
        timeout -k 10 "$SUITE_TIMEOUT_SECONDS" bash "$0" --suite "$suite" > >(tee "$log") 2>&1 &
    else
        timeout -k 10 "$SUITE_TIMEOUT_SECONDS" bash "$0" --suite "$suite" >"$log" 2>&1 &
    fi
    running=$!
    wait "$running"
}

stop_running() {
    if [[ -n $running ]]; then kill -TERM "$running" 2>/dev/null || true; fi
    exit 130
}

print_summary() {
    local row
    echo
    printf '%-22s %10s\n' suite seconds
    for row in "${table[@]}"; do
        # shellcheck disable=SC2086 # a row is two words
        printf '%-22s %10s\n' $row
    done
    printf '%-22s %10s\n' total "$SECONDS"
    echo
}

if [[ ${1:-} == --suite ]]; then
    "suite_$2"
    exit
fi

running=
trap stop_running INT TERM
all_logs=$CARGO_TARGET_DIR/suite-logs
logs=$all_logs/$$
rm -rf "$logs"
mkdir -p "$logs"
# Logs of days past go; those of a run beside this one stay.
find "$all_logs" -mindepth 1 -maxdepth 1 -mtime +1 -exec rm -rf {} +
table=() status=0 number=0
total=$(wc -w <<<"$SUITES")
for suite in $SUITES; do
    declare -F "suite_$suite" >/dev/null || fail "no suite $suite; there are: $ALL_SUITES"
    number=$((number + 1))
    started=$SECONDS
    echo "[$number/$total] $suite …"
    run_suite "$logs/$suite.log" "$suite" || status=$?
    table+=("$suite $((SECONDS - started))")
    if ((status != 0)); then
        tail -n "$FAILURE_LINES" "$logs/$suite.log"
        ((status != 124)) || echo "$suite did not end within $SUITE_TIMEOUT_SECONDS seconds"
        echo "FAILED: $suite (exit $status); its whole log: $logs/$suite.log"
        break
    fi
done

read -r passed failed < <(count_tests "$logs"/*.log)
if ((status != 0 && failed == 0)); then failed=1; fi
print_summary
echo "$passed passed, $failed failed"
exit "$status"
