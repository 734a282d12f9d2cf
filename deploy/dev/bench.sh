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

if [ -z "${DRUMBEAT_TEST_KAFKA:-}" ] && address="$("$HERE/kafka.sh" up)"; then
    export DRUMBEAT_TEST_KAFKA="$address"
fi
if [ -z "${DRUMBEAT_TEST_POSTGRES:-}" ] && address="$("$HERE/postgres.sh" up)"; then
    export DRUMBEAT_TEST_POSTGRES="postgres://postgres@$address/postgres"
fi
"${CARGO_TARGET_DIR:-$DEV_ROOT/target}/release/drumbeat" bench "$@"
