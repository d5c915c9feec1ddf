#!/usr/bin/env bash
# Runs a command with the environment that makes it link RocksDB's library, which is built if it is not
# there yet: scripts/with-rocksdb.sh cargo build --features rocksdb
set -euo pipefail
environment=$("$(dirname "$0")/setup-rocksdb.sh")
while IFS= read -r variable; do
    export "${variable?}"
done <<<"$environment"
exec "$@"
