#!/usr/bin/env bash
# Prints the cargo flags of the test build: the places at which tests end a process (`failpoints`), and the features that
# need more than cargo, a C compiler and make.
# `kafka-tls` (TLS and SASL to Kafka) needs OpenSSL's headers. As root on Debian they are installed; where they cannot be
# had, it is left out, stderr names what is missing, and with DRUMBEAT_REQUIRE_KAFKA=1 the script fails.
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

has_openssl() { have pkg-config && pkg-config --exists openssl; }

if has_openssl || { apt_install pkg-config libssl-dev && has_openssl; }; then
    echo "--features drumbeat/failpoints,drumbeat/kafka-tls"
else
    echo "--features drumbeat/failpoints"
    say "OpenSSL's headers (Debian: libssl-dev, pkg-config) are missing, so Kafka over TLS (feature kafka-tls) is not built"
    [ "${DRUMBEAT_REQUIRE_KAFKA:-}" != 1 ] || exit 1
fi
