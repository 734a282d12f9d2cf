#!/usr/bin/env bash
# Makes the secrets of compose.yaml that do not exist yet; what is there stays. Back the folder up: without drumbeat_key
# no opt-out is recognised any more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# The folder keeps other people of this machine out. The files are readable, since Compose mounts them as they are and
# the containers run as users of their own.
mkdir -p secrets
chmod 0700 secrets

random() { od -An -v -N 32 -t x1 /dev/urandom | tr -d ' \n'; }

# make NAME VALUE: keeps what is there.
make() {
    [ ! -e "secrets/$1" ] || return 0
    printf '%s\n' "$2" >"secrets/$1.new"
    chmod 0444 "secrets/$1.new"
    mv "secrets/$1.new" "secrets/$1"
    echo "made secrets/$1"
}

make postgres_password "$(random)"
make store_url "postgres://drumbeat:$(cat secrets/postgres_password)@postgres/drumbeat"
make drumbeat_key "$(random)"
make website_forms "$(random)"
