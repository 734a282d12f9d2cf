#!/usr/bin/env bash
# A private PostgreSQL cluster for tests and development: TCP on 127.0.0.1 only, no passwords, fsync on.
#
#   postgres.sh up         start it (idempotent); prints 127.0.0.1:PORT
#   postgres.sh down       clean stop; the data stays
#   postgres.sh immediate  stop without a checkpoint: the next start recovers from the log
#   postgres.sh kill       kill -9 of every process of it, as a crash would
#   postgres.sh restart    down, then up with the same data and port
#   postgres.sh status     prints the address, or exits 1
#   postgres.sh wipe       stop and remove the data
#   postgres.sh log        the server's log file
#
# Connect as user postgres: postgres://postgres@127.0.0.1:PORT/postgres
# Uses the newest installed server (Debian's /usr/lib/postgresql, else the PATH); as root on Debian it is installed.
# DRUMBEAT_DEV_POSTGRES_SETTINGS: lines for postgresql.conf of a new cluster.
# Data: DRUMBEAT_DEV_DIR/postgres (see lib.sh). As root the server runs as user postgres (or nobody).
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

DIR="$(dev_dir)/postgres"
DATA="$DIR/data"
LOG="$DIR/server.log"
mkdir -p "$DIR"

pid() { sed -n 1p "$DATA/postmaster.pid" 2>/dev/null || true; }
port() { cat "$DIR/port" 2>/dev/null || true; }
running() { runs_as "$(pid)" "$DATA"; }

# The folder with the server's programs: the newest version of Debian's, else where the PATH has them.
find_programs() {
    local bin
    bin="$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)"
    if [ -n "$bin" ] && [ -x "$bin/initdb" ]; then
        echo "$bin"
    elif have initdb; then
        dirname "$(command -v initdb)"
    elif have pg_config && [ -x "$(pg_config --bindir)/initdb" ]; then
        pg_config --bindir
    else
        return 1
    fi
}

require_server() {
    BIN="$(find_programs)" && return
    apt_install postgresql || die "PostgreSQL's server (Debian: postgresql) is not there and could not be installed"
    BIN="$(find_programs)" || die "PostgreSQL was installed, yet its programs are not under /usr/lib/postgresql"
}

# The server refuses to run as root.
server_user() {
    if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

as_server() {
    if ! is_root; then
        "$@"
    elif have setpriv; then
        setpriv --reuid "$(server_user)" --regid "$(id -g "$(server_user)")" --clear-groups "$@"
    else
        runuser -u "$(server_user)" -- "$@"
    fi
}

create() {
    say "creating a cluster with $("$BIN/initdb" --version)"
    rm -rf "$DATA"
    if is_root; then
        chown "$(server_user)" "$DIR"
    fi
    (cd "$DIR" && as_server "$BIN/initdb" -D "$DATA" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$DIR/initdb.log" 2>&1) || {
        tail -5 "$DIR/initdb.log" >&2
        die "initdb failed (a folder above $DIR may be closed to user $(server_user): give DRUMBEAT_DEV_DIR another one)"
    }
    cat >>"$DATA/postgresql.conf" <<'CONF'

# Added by deploy/dev/postgres.sh.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = '256MB'
# What a commit promises is under test: these stay on.
fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = '2GB'
checkpoint_timeout = '15min'
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_lock_waits = on
log_line_prefix = '%m [%p] %a '
CONF
    printf '%s\n' "${DRUMBEAT_DEV_POSTGRES_SETTINGS:-}" >>"$DATA/postgresql.conf"
    is_root && chown "$(server_user)" "$DATA/postgresql.conf"
    return 0
}

# start: true once it accepts connections. A pid file of a killed server is taken away first: its number may belong to
# another process by now.
start() {
    rm -f "$DATA/postmaster.pid"
    (cd "$DIR" && as_server "$BIN/pg_ctl" -D "$DATA" -l "$LOG" -o "-p $(port)" -s -w -t 60 start </dev/null >/dev/null 2>&1 9>&-)
}

up() {
    if running; then
        echo "127.0.0.1:$(port)"
        return
    fi
    require_server
    if [ -e "$DATA/PG_VERSION" ]; then
        start || {
            tail -10 "$LOG" >&2
            die "PostgreSQL did not start on its data in $DATA ('postgres.sh wipe' begins afresh)"
        }
    else
        create
        local try ok=
        for try in 1 2 3; do
            free_port $((15432 + (try - 1) * 100)) >"$DIR/port"
            if start; then
                ok=1
                break
            fi
        done
        [ -n "$ok" ] || {
            tail -10 "$LOG" >&2
            die "PostgreSQL did not start; its log is $LOG"
        }
    fi
    echo "127.0.0.1:$(port)"
}

stop() {
    running || return 0
    BIN="$(find_programs)"
    (cd "$DIR" && as_server "$BIN/pg_ctl" -D "$DATA" -s -w -t 30 -m "$1" stop >&2) || crash
}

# All of its processes at once: a lone postmaster's death would let the others finish what they were doing.
crash() {
    running || return 0
    local main children
    main="$(pid)"
    children="$(cat "/proc/$main/task/$main/children" 2>/dev/null || pgrep -P "$main" 2>/dev/null || true)"
    # shellcheck disable=SC2086 # a list of process ids
    kill -KILL "$main" $children 2>/dev/null || true
    wait_gone "$main" "$DATA" 10 || die "process $main could not be killed"
}

status() {
    running || die "not running"
    echo "127.0.0.1:$(port)"
}

case "${1:-}" in
    up | down | immediate | kill | restart | wipe) hold_lock "$DIR.lock" ;;
esac
case "${1:-}" in
    up) up ;;
    down) stop fast ;;
    immediate) stop immediate ;;
    kill) crash ;;
    restart) stop fast && up ;;
    status) status ;;
    wipe) stop immediate && rm -rf "$DIR" ;;
    log) echo "$LOG" ;;
    *)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0" | sed -n '1,11p' >&2
        exit 2
        ;;
esac
