#!/usr/bin/env bash
# A single real Apache Kafka broker (KRaft) for tests and development.
#
#   kafka.sh up        start it (idempotent); prints 127.0.0.1:PORT
#   kafka.sh down      clean stop; the data stays
#   kafka.sh kill      kill -9, as a crash would
#   kafka.sh restart   down, then up with the same data and port
#   kafka.sh status    prints the address, or exits 1
#   kafka.sh wipe      kill and remove the data
#   kafka.sh log       the broker's log file
#
# The jars come from Maven Central once, into .tools/kafka. Data: DRUMBEAT_DEV_DIR/kafka (see lib.sh).
# Needs Java 17 or later and Maven; as root on Debian they are installed.
# DRUMBEAT_DEV_KAFKA_SECOND=PORT:KNOWN gives a new broker a second listener, whose clients are told to come to 127.0.0.1:KNOWN.
# shellcheck source=deploy/dev/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
VERSION="$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$HERE/kafka/pom.xml")"
LIBS="$DEV_TOOLS/kafka/$VERSION/libs"
HEAP="${DRUMBEAT_DEV_KAFKA_HEAP:-512m}"
DIR="$(dev_dir)/kafka"
CONFIG="$DIR/server.properties"
mkdir -p "$DIR"

pid() { cat "$DIR/pid" 2>/dev/null || true; }
port() { cat "$DIR/port" 2>/dev/null || true; }
running() { runs_as "$(pid)" "$CONFIG"; }

java_version() { java -version 2>&1 | sed -n 's/^[^"]*version "\([0-9]*\).*/\1/p'; }

require_java() {
    if ! have java || ! [ "$(java_version)" -ge 17 ] 2>/dev/null; then
        apt_install openjdk-17-jre-headless || apt_install default-jre-headless \
            || die "Kafka needs Java 17 or later (Debian: openjdk-17-jre-headless); it is not there and could not be installed"
    fi
    [ "$(java_version)" -ge 17 ] 2>/dev/null || die "Kafka needs Java 17 or later, found $(java_version)"
}

require_jars() {
    [ -e "$LIBS/.complete" ] && return
    if ! have mvn; then
        apt_install maven || die "fetching Kafka needs Maven (Debian: maven); it is not there and could not be installed"
    fi
    say "fetching Apache Kafka $VERSION from Maven Central"
    mkdir -p "$(dirname "$LIBS")"
    local part="$LIBS.part.$$"
    rm -rf "$part"
    mvn -q -B -Dstyle.color=never -f "$HERE/kafka/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DoutputDirectory="$part" >&2 || {
        rm -rf "$part"
        die "Apache Kafka $VERSION could not be fetched from Maven Central"
    }
    touch "$part/.complete"
    rm -rf "$LIBS"
    mv "$part" "$LIBS"
}

write_config() {
    local port="$1" controller="$2" second="${DRUMBEAT_DEV_KAFKA_SECOND:-}" also="" known="" protocol=""
    if [ -n "$second" ]; then
        also=",SECOND://127.0.0.1:${second%:*}"
        known=",SECOND://127.0.0.1:${second#*:}"
        protocol=",SECOND:PLAINTEXT"
    fi
    cat >"$CONFIG" <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller$also
advertised.listeners=PLAINTEXT://127.0.0.1:$port$known
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT$protocol
log.dirs=$DIR/data
# Topics are made by 'drumbeat topics', never by a misspelt name.
auto.create.topics.enable=false
num.partitions=4
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A test's consumer should not wait for members that never come.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# Twice the largest accepted webhook body and more.
message.max.bytes=8388608
replica.fetch.max.bytes=8388608
socket.request.max.bytes=104857600
# Many small topics come and go in a test run.
log.segment.bytes=67108864
log.index.size.max.bytes=262144
log.cleaner.dedupe.buffer.size=8388608
delete.topic.enable=true
num.network.threads=2
num.io.threads=4
background.threads=2
# After kill -9 the broker waits until its former self has timed out: keep that short.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
CONF
}

storage_tool() {
    java -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$LIBS/*" kafka.tools.StorageTool "$@"
}

format() {
    local id
    id="$(storage_tool random-uuid 2>/dev/null | tail -1)"
    storage_tool format --standalone -t "$id" -c "$CONFIG" >>"$DIR/broker.log" 2>&1
}

# start: true once the broker serves; false when its process ended (a port was taken between choosing and binding).
start() {
    local left=1200 from
    from="$(wc -c <"$DIR/broker.log" 2>/dev/null || echo 0)"
    setsid java "-Xmx$HEAP" -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
        -Dorg.slf4j.simpleLogger.showDateTime=true \
        -cp "$LIBS/*" kafka.Kafka "$CONFIG" </dev/null >>"$DIR/broker.log" 2>&1 9>&- &
    echo $! >"$DIR/pid"
    until tail -c "+$((from + 1))" "$DIR/broker.log" | grep -q 'Kafka Server started' && port_open "$(port)"; do
        kill -0 "$(pid)" 2>/dev/null || return 1
        left=$((left - 1))
        if [ "$left" -le 0 ]; then
            tail -20 "$DIR/broker.log" >&2
            die "Kafka did not start within 60 s; its log is $DIR/broker.log"
        fi
        sleep 0.05
    done
}

up() {
    if running; then
        echo "127.0.0.1:$(port)"
        return
    fi
    require_java
    require_jars
    if [ -e "$DIR/data/meta.properties" ]; then
        start || {
            tail -20 "$DIR/broker.log" >&2
            die "Kafka did not start on its data in $DIR ('kafka.sh wipe' begins afresh)"
        }
    else
        local try ok=
        for try in 1 2 3; do
            rm -rf "$DIR/data"
            local chosen
            chosen="$(free_port $((19092 + (try - 1) * 100)))"
            echo "$chosen" >"$DIR/port"
            write_config "$chosen" "$(free_port $((chosen + 1)))"
            format || die "Kafka's storage could not be formatted; see $DIR/broker.log"
            if start; then
                ok=1
                break
            fi
        done
        [ -n "$ok" ] || {
            tail -20 "$DIR/broker.log" >&2
            die "Kafka did not start; its log is $DIR/broker.log"
        }
    fi
    echo "127.0.0.1:$(port)"
}

down() {
    running || return 0
    kill -TERM "$(pid)" 2>/dev/null || true
    if ! wait_gone "$(pid)" "$CONFIG" 30; then
        say "no clean stop within 30 s, killing it"
        crash
    fi
}

crash() {
    running || return 0
    kill -KILL "$(pid)" 2>/dev/null || true
    wait_gone "$(pid)" "$CONFIG" 10 || die "process $(pid) could not be killed"
}

status() {
    running || die "not running"
    echo "127.0.0.1:$(port)"
}

case "${1:-}" in
    up | down | kill | restart | wipe) hold_lock "$DIR.lock" ;;
esac
case "${1:-}" in
    up) up ;;
    down) down ;;
    kill) crash ;;
    restart) down && up ;;
    status) status ;;
    wipe) crash && rm -rf "$DIR" ;;
    log) echo "$DIR/broker.log" ;;
    *)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0" | sed -n '1,9p' >&2
        exit 2
        ;;
esac
