#!/usr/bin/env bash
# First figures of ingest, enrollment and dispatch, on the embedded adapters and on Kafka + PostgreSQL. Arguments are
# handed to `drumbeat bench`. Uses the servers named by DRUMBEAT_TEST_KAFKA and DRUMBEAT_TEST_POSTGRES, else starts its
# own on a fresh folder and stops them at the end.
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$DEV_ROOT"
features="$("$HERE/features.sh")"
read -ra FEATURES <<<"$features"
cargo build --release -p drumbeat "${FEATURES[@]}"

WORK="$(mktemp -d "${TMPDIR:-/tmp}/drumbeat-bench.XXXXXX")"
chmod 0711 "$WORK"
export DRUMBEAT_DEV_DIR="$WORK"
cleanup() {
    local code=$?
    trap - EXIT INT TERM
    "$HERE/kafka.sh" wipe || true
    "$HERE/postgres.sh" wipe || true
    rm -rf "$WORK"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# obtain GIVEN SCRIPT: the address of a running server, or of one of our own; nothing where none can be had.
obtain() {
    if [ -n "$1" ]; then echo "$1"; else "$HERE/$2" up; fi
}
postgres="${DRUMBEAT_TEST_POSTGRES:-}"
if kafka="$(obtain "${DRUMBEAT_TEST_KAFKA:-}" kafka.sh)" &&
    { [ -n "$postgres" ] || postgres="postgres://postgres@$("$HERE/postgres.sh" up)/postgres"; }; then
    export DRUMBEAT_BENCH_KAFKA="$kafka" DRUMBEAT_BENCH_POSTGRES="$postgres"
else
    say "no Kafka or no PostgreSQL could be had: measuring the embedded adapters alone"
fi
"${CARGO_TARGET_DIR:-$DEV_ROOT/target}/release/drumbeat" bench "$@"
