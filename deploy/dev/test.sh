#!/usr/bin/env bash
# Builds and tests everything: unit, property, conformance and end-to-end tests. `make test` calls it; arguments are
# handed to `cargo test` (for one crate: deploy/dev/test.sh -p store).
#
# Servers. The tests are given two addresses:
#   DRUMBEAT_TEST_KAFKA=127.0.0.1:PORT
#   DRUMBEAT_TEST_POSTGRES=postgres://postgres@127.0.0.1:PORT/postgres    (a superuser: tests make databases of their own)
# If they are set already, those servers are used and left running. Otherwise real ones are obtained, started on a fresh
# folder, and stopped at the end. Where one cannot be had the run goes on without it, unless DRUMBEAT_REQUIRE_KAFKA=1 or
# DRUMBEAT_REQUIRE_POSTGRES=1 is set: then that is a failure.
#
# Faults. The tests of faults (tests/e2e/faults) break servers of their own, in DRUMBEAT_FAULTS_DIR; here they run in part,
# and in full with DRUMBEAT_FAULTS=full (`make test-faults`). Each prints its seed; SEED=N makes the same choices again.
# They move clocks with libfaketime (Debian: libfaketime) and fill small file systems, which takes the right to mount.
#
# Contract with the tests. A test that runs with less than it was written for, because an address is absent, says so: it
# appends one line to the file named by DRUMBEAT_SKIPS (and writes the same line to stderr):
#   SKIPPED-NO-KAFKA: suite::name             not run at all
#   MOCK-KAFKA: suite::name                   run on librdkafka's mock cluster instead
#   SKIPPED-NO-POSTGRES: suite::name          not run at all
# These lines are listed last, so that nothing is left out silently. With an address given, no such line may appear: a
# test that finds the server unusable fails.
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$DEV_ROOT"
BEGAN="$(now)"
WORK="$(mktemp -d "${TMPDIR:-/tmp}/drumbeat-test.XXXXXX")"
chmod 0711 "$WORK"
OWN_SERVERS=""
KEEP=""

cleanup() {
    local code=$?
    trap - EXIT INT TERM
    if [ -n "$OWN_SERVERS" ]; then
        DRUMBEAT_DEV_DIR="$WORK/servers" "$HERE/kafka.sh" down || true
        DRUMBEAT_DEV_DIR="$WORK/servers" "$HERE/postgres.sh" down || true
    fi
    if [ -d "$WORK/faults" ]; then
        DRUMBEAT_DEV_DIR="$WORK/faults" "$HERE/kafka.sh" wipe || true
        DRUMBEAT_DEV_DIR="$WORK/faults" "$HERE/postgres.sh" wipe || true
    fi
    if [ -n "$KEEP" ]; then
        say "the servers' logs are kept in $WORK/servers"
    else
        rm -rf "$WORK"
    fi
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# obtain SCRIPT: the address of a server of our own, on a fresh folder.
obtain() {
    DRUMBEAT_DEV_DIR="$WORK/servers" "$HERE/$1" up
}

if [ -n "${DRUMBEAT_TEST_KAFKA:-}" ]; then
    port_open_of="${DRUMBEAT_TEST_KAFKA%%,*}"
    (exec 3<>"/dev/tcp/${port_open_of%:*}/${port_open_of##*:}") 2>/dev/null \
        || die "nothing answers at DRUMBEAT_TEST_KAFKA=$DRUMBEAT_TEST_KAFKA"
else
    OWN_SERVERS=1
    if address="$(obtain kafka.sh)"; then
        export DRUMBEAT_TEST_KAFKA="$address"
    elif [ "${DRUMBEAT_REQUIRE_KAFKA:-}" = 1 ]; then
        die "no Kafka broker could be had, and DRUMBEAT_REQUIRE_KAFKA=1 asks for one"
    else
        unset DRUMBEAT_TEST_KAFKA
    fi
fi
if [ -z "${DRUMBEAT_TEST_POSTGRES:-}" ]; then
    OWN_SERVERS=1
    if address="$(obtain postgres.sh)"; then
        export DRUMBEAT_TEST_POSTGRES="postgres://postgres@$address/postgres"
    elif [ "${DRUMBEAT_REQUIRE_POSTGRES:-}" = 1 ]; then
        die "no PostgreSQL could be had, and DRUMBEAT_REQUIRE_POSTGRES=1 asks for one"
    else
        unset DRUMBEAT_TEST_POSTGRES
    fi
fi
say "Kafka: ${DRUMBEAT_TEST_KAFKA:-none}; PostgreSQL: ${DRUMBEAT_TEST_POSTGRES:-none}"

# The processes under test must not inherit a deployment's settings.
while IFS= read -r name; do unset "$name"; done < <(compgen -e | grep '^DRUMBEAT__' || true)

export DRUMBEAT_FAULTS_DIR="$WORK/faults"
if ! compgen -G "/usr/lib/*/faketime/libfaketime.so.1" >/dev/null && [ -z "${DRUMBEAT_LIBFAKETIME:-}" ]; then
    apt_install libfaketime || true
fi

export DRUMBEAT_SKIPS="$WORK/skips"
: >"$DRUMBEAT_SKIPS"
export PROPTEST_DISABLE_FAILURE_PERSISTENCE="${PROPTEST_DISABLE_FAILURE_PERSISTENCE:-1}"

features="$("$HERE/features.sh")"
read -ra flags <<<"$features"
code=0
if [ "$#" -eq 0 ]; then
    # The binary and the tests in one go: they share the features of their dependencies then, and nothing is built twice.
    cargo build --workspace --bins --tests "${flags[@]}"
    run=(cargo test --workspace --no-fail-fast "${flags[@]}")
else
    cargo build -p drumbeat "${flags[@]}"
    run=(cargo test --no-fail-fast "$@")
fi
export DRUMBEAT_BIN="${CARGO_TARGET_DIR:-$DEV_ROOT/target}/debug/drumbeat"
BUILT="$(now)"

"${run[@]}" 2>&1 | tee "$WORK/output" || code=$?

count() { sed -n "s/^test result: .* \([0-9]*\) $1.*/\1/p" "$WORK/output" | awk '{ n += $1 } END { print n + 0 }'; }
passed="$(count passed)"
failed="$(count failed)"
ignored="$(count ignored)"
[ "$code" = 0 ] || KEEP=1

echo
if [ "$code" != 0 ]; then
    echo "Failed:"
    sed -n 's/^test \(.*\) \.\.\. FAILED.*/  \1/p' "$WORK/output" | sort -u
    sed -n 's/^error: \(could not compile.*\)/  \1/p' "$WORK/output" | sort -u
fi
echo "Built in $((BUILT - BEGAN)) s, tested in $(($(now) - BUILT)) s: $passed passed, $failed failed, $ignored ignored."

# The last lines: what did not run on what it was written for.
sort -u "$DRUMBEAT_SKIPS" >"$WORK/skips.sorted"
if [ -n "${DRUMBEAT_TEST_KAFKA:-}" ] && grep -q 'KAFKA' "$WORK/skips.sorted"; then
    echo "Tests claim to have had no Kafka, though there was one:"
    grep 'KAFKA' "$WORK/skips.sorted" | sed 's/^/  /'
    code=1
fi
if [ -n "${DRUMBEAT_TEST_POSTGRES:-}" ] && grep -q 'POSTGRES' "$WORK/skips.sorted"; then
    echo "Tests claim to have had no PostgreSQL, though there was one:"
    grep 'POSTGRES' "$WORK/skips.sorted" | sed 's/^/  /'
    code=1
fi
if [ "${features#*kafka-tls}" = "$features" ]; then
    echo "NOT COVERED: Kafka over TLS was not built (OpenSSL's headers are missing: libssl-dev, pkg-config)."
fi
if [ -z "${DRUMBEAT_TEST_KAFKA:-}" ]; then
    echo "NOT COVERED: there was no real Kafka broker. On librdkafka's mock cluster ran:"
    sed -n 's/^MOCK-KAFKA: /  /p' "$WORK/skips.sorted"
    echo "and these were skipped:"
    sed -n 's/^SKIPPED-NO-KAFKA: /  /p' "$WORK/skips.sorted"
fi
if [ -z "${DRUMBEAT_TEST_POSTGRES:-}" ]; then
    echo "NOT COVERED: there was no PostgreSQL. Skipped:"
    sed -n 's/^SKIPPED-NO-POSTGRES: /  /p' "$WORK/skips.sorted"
fi
if grep -qvE '^(SKIPPED-NO-KAFKA|MOCK-KAFKA|SKIPPED-NO-POSTGRES): ' "$WORK/skips.sorted"; then
    echo "NOT COVERED besides:"
    grep -vE '^(SKIPPED-NO-KAFKA|MOCK-KAFKA|SKIPPED-NO-POSTGRES): ' "$WORK/skips.sorted" | sed 's/^/  /'
fi
exit "$code"
