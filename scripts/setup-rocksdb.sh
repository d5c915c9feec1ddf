#!/usr/bin/env bash
# Builds RocksDB once as a static library, for every profile of every clone to link: its C++ costs some
# 25 CPU-minutes, and a build script would compile it for each profile anew. Prints, as lines
# `NAME=value`, the environment that makes `librocksdb-sys` link it; everything else goes to stderr.
#
# The library is made from the sources that the crate ships, in the version that Cargo.lock names, and
# kept under that version and a digest of all that went into it. Says nothing when it is there already.
#
# ROCKSDB_LIB_DIR   set by hand: that library is linked, and nothing is built
# ROCKSDB_JOBS      how many compilers run at a time (default: one per core)
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh

# What the workspace asks of the crate.
FEATURES='"lz4", "bindgen-runtime"'
PROGRESS_SECONDS=15

print_environment() {
    printf 'ROCKSDB_LIB_DIR=%s\nROCKSDB_STATIC=1\n' "$1"
    if [[ -n ${LIBCLANG_PATH:-} ]]; then printf 'LIBCLANG_PATH=%s\n' "$LIBCLANG_PATH"; fi
}

# bindgen reads the C header through libclang, which needs the headers of the compiler beside it: the
# library alone is not enough. LIBCLANG_PATH says that somebody has seen to both.
have_libclang() {
    [[ -n ${LIBCLANG_PATH:-} ]] && return 0
    compgen -G '/usr/lib*/llvm-*/lib/libclang[-.]*so*' >/dev/null || compgen -G '/usr/lib*/libclang.so*' >/dev/null || return 1
    compgen -G '/usr/lib*/llvm-*/lib/clang/*/include/stdbool.h' >/dev/null || compgen -G '/usr/lib*/clang/*/include/stdbool.h' >/dev/null
}

install_compilers() {
    local missing=()
    have c++ || missing+=(g++)
    have_libclang || missing+=(libclang-dev)
    ((${#missing[@]} == 0)) && return
    install_packages "${missing[@]}" || fail "the RocksDB backend needs: ${missing[*]}"
}

# The CPU features that RocksDB's checksums are written for; every 64-bit x86 server since 2011 has them.
compiler_flags() {
    case $(uname -m) in
    x86_64) echo '-msse4.2 -mpclmul' ;;
    esac
}

locked_version() {
    awk -v name="\"$1\"" '$1 == "name" { found = $3 == name } found && $1 == "version" { gsub(/"/, "", $3); print $3; exit }' \
        Cargo.lock
}

# A cargo project whose only product is the library.
write_project() {
    mkdir -p "$1/src"
    : >"$1/src/lib.rs"
    cat >"$1/Cargo.toml" <<TOML
[package]
name = "rocksdb-library"
version = "0.0.0"
edition = "2024"

[dependencies]
librocksdb-sys = { version = "=${version%%+*}", default-features = false, features = [$FEATURES] }

[workspace]

[profile.release]
debug = false
TOML
}

# Tells every now and then how many of the sources are compiled.
show_progress() {
    local total done
    while sleep "$PROGRESS_SECONDS"; do
        total=$(cat "$CARGO_HOME_OR_DEFAULT"/registry/src/*/"librocksdb-sys-$version/rocksdb_lib_sources.txt" 2>/dev/null | wc -l)
        done=$(find "$1/release/build" -path '*librocksdb-sys*' -name '*.o' 2>/dev/null | wc -l)
        say "RocksDB: $done of about ${total} files compiled, $((SECONDS / 60)) min"
    done
}

build_library() {
    local work=$folder.build status=0
    write_project "$work"
    say "building RocksDB once into $folder; this takes some 25 CPU-minutes"
    # Without our output and our lock: its last sleep outlives it.
    show_progress "$work/target" >/dev/null 9>&- &
    local progress=$!
    # shellcheck disable=SC2064 # the id of this one
    trap "kill $progress 2>/dev/null || true" EXIT
    # The caller's own flags and target directory are for the caller's build.
    env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u ROCKSDB_STATIC -u CARGO_BUILD_TARGET \
        CXXFLAGS="$flags" CARGO_TARGET_DIR="$work/target" ${ROCKSDB_JOBS:+CARGO_BUILD_JOBS="$ROCKSDB_JOBS"} \
        cargo build --release --manifest-path "$work/Cargo.toml" >"$work/log" 2>&1 </dev/null || status=$?
    kill "$progress" 2>/dev/null || true
    wait "$progress" 2>/dev/null || true
    if ((status != 0)); then
        tail -n 40 "$work/log" >&2
        fail "RocksDB did not compile; the whole log: $work/log"
    fi
    keep_library "$work"
}

# Whole or not at all: the folder has its name only when the library is in it.
keep_library() {
    local work=$1 library
    library=$(find "$work/target/release/build" -name librocksdb.a | head -n 1)
    [[ -n $library ]] || fail "the build made no librocksdb.a; its log: $work/log"
    rm -rf "$folder.new" "$folder"
    mkdir -p "$folder.new"
    cp "$library" "$folder.new/"
    mv "$folder.new" "$folder"
    rm -rf "$work"
    say "RocksDB is built: $(du -h "$folder/librocksdb.a" | cut -f1)"
}

install_compilers
if [[ -n ${ROCKSDB_LIB_DIR:-} ]]; then
    print_environment "$ROCKSDB_LIB_DIR"
    exit
fi

CARGO_HOME_OR_DEFAULT=${CARGO_HOME:-$HOME/.cargo}
version=$(locked_version librocksdb-sys)
[[ -n $version ]] || fail "Cargo.lock names no librocksdb-sys"
flags=$(compiler_flags)
digest=$(printf '%s\n' "$FEATURES" "$flags" "$(c++ -dumpmachine)" "$(c++ -dumpversion)" | sha256sum | cut -c1-12)
cache=${WATCHKEEP_CACHE:-$HOME/.cache/watchkeep}
folder=$cache/rocksdb-$version-$digest

if [[ ! -f $folder/librocksdb.a ]]; then
    mkdir -p "$cache"
    # Two builds at a time would each take the other's cores.
    exec 9>"$folder.lock"
    flock 9
    [[ -f $folder/librocksdb.a ]] || build_library
fi
print_environment "$folder"
