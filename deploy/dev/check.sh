#!/usr/bin/env bash
# What CI checks beside the tests. `make check` runs all of it; with names as arguments, only those:
#   fmt         the code is formatted
#   clippy      no lint fires (see [workspace.lints] and clippy.toml)
#   scripts     the shell scripts parse, and pass shellcheck where it is installed
#   deny        licences, bans, sources and advisories (deny.toml)
#   proto       buf lint and buf breaking against the state before (proto/buf.yaml)
#   migrations  no migration of a release was edited or removed
#   generated   committed generated files are what their generators write
#   docs        the API documentation builds without a warning
# All run even if one fails; the last line says which did.
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$DEV_ROOT"

DENY_VERSION=0.20.2
BUF_VERSION=1.75.0
features="$("$HERE/features.sh")"
read -ra FEATURES <<<"$features"

check_fmt() {
    cargo fmt --all --check
}

# Twice: what ships obeys the rule about clocks, randomness and spawning too; tests and benchmarks are let off that one.
check_clippy() {
    cargo clippy --workspace "${FEATURES[@]}" -- -D warnings &&
        cargo clippy --workspace --all-targets "${FEATURES[@]}" -- -D warnings -A clippy::disallowed_methods
}

check_scripts() {
    local script
    for script in deploy/dev/*.sh .ci/run; do
        bash -n "$script" || return 1
    done
    if have shellcheck; then
        shellcheck -x -S warning deploy/dev/*.sh .ci/run
    else
        echo "shellcheck is not installed (Debian: shellcheck); the scripts were only parsed"
    fi
}

cargo_deny() {
    local bin="$DEV_TOOLS/cargo-deny-$DENY_VERSION/bin/cargo-deny"
    if have cargo-deny; then
        bin=cargo-deny
    elif [ ! -x "$bin" ]; then
        say "building cargo-deny $DENY_VERSION into .tools (once, a few minutes)"
        cargo install --quiet --locked --root "$DEV_TOOLS/cargo-deny-$DENY_VERSION" "cargo-deny@$DENY_VERSION" >&2 || return 1
    fi
    "$bin" --all-features "$@"
}

check_deny() {
    # Fences name crates that only some builds contain; a fence without a wrapper in use is no finding.
    cargo_deny check --hide-inclusion-graph -A unused-wrapper -A license-exception-not-encountered bans licenses sources || return 1
    if cargo_deny fetch db >/dev/null 2>&1; then
        cargo_deny check --disable-fetch advisories
    else
        echo "NOT CHECKED: advisories (the database at github.com/RustSec/advisory-db could not be fetched)"
    fi
}

# The commit that this state is compared with: where it left main; on main itself, the commit before.
base_commit() {
    local main base
    for main in origin/main main; do
        base="$(git merge-base HEAD "$main" 2>/dev/null)" || continue
        [ "$base" != "$(git rev-parse HEAD)" ] || base="$(git rev-parse --verify -q HEAD^)" || return 1
        echo "$base"
        return
    done
    return 1
}

check_proto() {
    local buf="$DEV_TOOLS/buf-$BUF_VERSION/node_modules/.bin/buf" base before status=0
    if have buf; then
        buf=buf
    elif [ ! -x "$buf" ]; then
        if ! have npm && ! { [ "${CI:-}" = true ] && apt_install npm; }; then
            if [ "${CI:-}" = true ]; then
                echo "buf comes as an npm package, and npm is missing"
                return 1
            fi
            echo "NOT CHECKED: the contract's lint and compatibility (buf comes as an npm package, and npm is missing)"
            return 0
        fi
        npm install --no-audit --no-fund --loglevel=error --prefix "$DEV_TOOLS/buf-$BUF_VERSION" "@bufbuild/buf@$BUF_VERSION" >&2 || return 1
    fi
    "$buf" lint proto || return 1
    if ! base="$(base_commit)"; then
        echo "nothing before this commit to compare the contract with"
    elif ! git cat-file -e "$base:proto/buf.yaml" 2>/dev/null; then
        echo "no contract yet in $(git rev-parse --short "$base") to compare with"
    else
        before="$(mktemp -d)"
        git archive "$base" proto | tar -x -C "$before"
        "$buf" breaking proto --against "$before/proto" || status=1
        rm -rf "$before"
    fi
    return "$status"
}

# A released migration has run somewhere; what it did cannot be changed any more.
check_migrations() {
    local release edited
    if ! release="$(git describe --tags --match 'v*' --abbrev=0 2>/dev/null)"; then
        echo "no release yet: migrations may still change"
        return
    fi
    edited="$(git diff --name-only --diff-filter=a "$release" -- crates/migration/src | grep -E '/m[0-9]' || true)"
    [ -z "$edited" ] || {
        printf 'migrations of %s were edited; add a new one instead:\n%s\n' "$release" "$edited"
        return 1
    }
}

check_generated() {
    cargo test -q -p contracts -p manifest -p runtime in_sync
}

check_docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items "${FEATURES[@]}"
}

ALL=(fmt scripts proto migrations deny clippy generated docs)
[ "$#" -gt 0 ] || set -- "${ALL[@]}"
failed=()
for name in "$@"; do
    declare -F "check_$name" >/dev/null || die "no check is called $name; there are ${ALL[*]}"
    echo "== $name"
    began="$(now)"
    if "check_$name"; then
        echo "   ok, $(($(now) - began)) s"
    else
        failed+=("$name")
        echo "   FAILED, $(($(now) - began)) s"
    fi
done
if [ "${#failed[@]}" -gt 0 ]; then
    echo "Checks failed: ${failed[*]}"
    exit 1
fi
echo "Checks passed: $*"
