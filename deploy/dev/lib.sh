# Shell functions shared by the scripts beside this file. Sourced, never run.
# shellcheck shell=bash

set -euo pipefail

DEV_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# What is downloaded once and kept (git-ignored).
export DEV_TOOLS="${DRUMBEAT_TOOLS:-$DEV_ROOT/.tools}"

# Where the servers keep their data: DRUMBEAT_DEV_DIR, else a temporary folder of this user and this checkout, so that
# two clones do not meet. It lies outside the clone, because PostgreSQL runs as another user when we are root.
dev_dir() {
    local base="${DRUMBEAT_DEV_DIR:-}"
    if [ -z "$base" ]; then
        base="${TMPDIR:-/tmp}/drumbeat-dev-$(id -u)-$(printf '%s' "$DEV_ROOT" | cksum | cut -d' ' -f1)"
    fi
    mkdir -p "$base"
    chmod 0711 "$base" 2>/dev/null || true
    (cd "$base" && pwd)
}

# Progress and problems go to stderr: stdout carries the address alone.
say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() {
    say "$*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }
can_apt() { is_root && have apt-get; }

# apt_install PACKAGE...: installs quietly; false when it cannot. The package lists are fetched at most once per run.
apt_install() {
    can_apt || return 1
    say "installing $* (apt)"
    if [ -z "${DEV_APT_UPDATED:-}" ]; then
        apt-get update -qq >&2 || true
        export DEV_APT_UPDATED=1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# True when something answers on 127.0.0.1:$1.
port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port PREFERRED: prints it, or else a random free one below the range that the kernel hands out to clients.
free_port() {
    local port="$1" try
    for try in $(seq 1 200); do
        if ! port_open "$port"; then
            echo "$port"
            return
        fi
        port=$((20000 + (RANDOM * 7 + try) % 9000))
    done
    die "no free port found on 127.0.0.1"
}

# runs_as PID TEXT: true when that process lives and its command line contains TEXT (process ids are reused).
runs_as() {
    local pid="$1" text="$2" line
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    if [ -r "/proc/$pid/cmdline" ]; then
        line="$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null || true)"
    else
        line="$(ps -p "$pid" -o command= 2>/dev/null || true)"
    fi
    [ "${line#*"$text"}" != "$line" ]
}

# wait_gone PID TEXT SECONDS: true once that process has ended.
wait_gone() {
    local pid="$1" text="$2" left=$(($3 * 20))
    while runs_as "$pid" "$text"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.05
    done
}

# hold_lock FILE: one script at a time for one server; given back when the script ends. The descriptor (9) must be
# closed for whatever is left running (`9>&-`), or the server itself would hold it.
hold_lock() {
    exec 9>"$1"
    if have flock; then
        flock -w 300 9 || die "another run holds $1"
    fi
}

# Seconds since the epoch, for durations in messages.
now() { date +%s; }
