#!/usr/bin/env bash
# Figures of this machine, on the embedded adapters and on Kafka + PostgreSQL, with the release build: about a quarter of an
# hour. Arguments are handed to `drumbeat bench`: what to measure, --quick, --seconds N, --future N, --json, --save FILE.
# `bench.sh compare BEFORE AFTER` compares two saved runs, and starts nothing.
# Uses the servers named by DRUMBEAT_TEST_KAFKA and DRUMBEAT_TEST_POSTGRES, else starts its own on a fresh folder and
# removes them at the end. On a server of yours databases drumbeat_bench_… come and go, and topics drumbeat-bench-…
# remain. Where one of the two cannot be had, only the embedded adapters are measured, and the last lines say so.
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$DEV_ROOT"
cargo build --release -p drumbeat >&2
drumbeat="${CARGO_TARGET_DIR:-$DEV_ROOT/target}/release/drumbeat"
if [ "${1:-}" = compare ]; then
    exec "$drumbeat" bench "$@"
fi
commit=()
if id="$(git describe --always --dirty --abbrev=10 2>/dev/null)"; then
    commit=(--commit "$id")
fi

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

kafka="${DRUMBEAT_TEST_KAFKA:-}"
postgres="${DRUMBEAT_TEST_POSTGRES:-}"
if [ -z "$kafka" ]; then
    kafka="$("$HERE/kafka.sh" up)" || kafka=""
fi
if [ -z "$postgres" ]; then
    if address="$("$HERE/postgres.sh" up)"; then
        postgres="postgres://postgres@$address/postgres"
    fi
fi
servers=()
if [ -n "$kafka" ] && [ -n "$postgres" ]; then
    servers=(--kafka "$kafka" --postgres "$postgres")
fi
"$drumbeat" bench "${servers[@]}" "${commit[@]}" "$@"
