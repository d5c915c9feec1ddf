#!/usr/bin/env bash
# Starts the release build RUNS times on the memory backend, and prints the median of the milliseconds until
# it is ready and of its resident memory then, in KiB.
set -euo pipefail
cd "$(dirname "$0")/.."

RUNS=${RUNS:-9}
binary=${CARGO_TARGET_DIR:-${WATCHKEEP_CACHE:-$HOME/.cache/watchkeep}/target}/release/watchkeep
if [[ ! -x $binary ]]; then
    echo "there is no $binary; run: make run BACKEND=memory" >&2
    exit 1
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

median() { sort -n | sed -n "$(((RUNS + 1) / 2))p"; }

for ((run = 0; run < RUNS; run++)); do
    start=${EPOCHREALTIME/[.,]/}
    coproc SERVER { exec "$binary" serve --backend memory --listen 127.0.0.1:0 --kubeconfig "$folder/kubeconfig" 2>/dev/null; }
    server=$SERVER_PID
    read -r _ <&"${SERVER[0]}"
    end=${EPOCHREALTIME/[.,]/}
    echo "$(((end - start) / 100))" >>"$folder/times"
    sed -nE 's/^VmRSS:\s+([0-9]+).*/\1/p' "/proc/$server/status" >>"$folder/memory"
    kill -TERM "$server"
    wait "$server"
done
tenths=$(median <"$folder/times")
echo "ready after $((tenths / 10)).$((tenths % 10)) ms, $(median <"$folder/memory") KiB resident (median of $RUNS)"
