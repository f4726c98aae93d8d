#!/bin/sh
# Start the broker when its account files are there, and have it read them again (SIGHUP) whenever they change.
#
# Devices are let in only when an ingest worker has subscribed: Mosquitto forgets shared subscriptions at a restart, and what a device sent
# before a worker is back would be acknowledged and thrown away. Until then the broker knows the services only. A device that cannot log in
# keeps its messages and comes again (docs/decisions/0002-broker-mosquitto.md).
set -eu
accounts=${ACCOUNTS_DIR:-/accounts}
own=${OWN_DIR:-/tmp/broker}
config=${MOSQUITTO_CONFIG:-/mosquitto/config/mosquitto.conf}
poll_s=${ACCOUNTS_POLL_S:-2}
port=${READY_PORT:-8883}
ca=${READY_CA_FILE:-/run/secrets/ca_cert}
ready_poll_s=0.2
admit_anyway_after=${ADMIT_ANYWAY_AFTER:-300} # questions that failed for another reason than a missing worker

admitted=
faults=0
ready_password=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')

# What the broker reads: the services, the account with which we ask, and when admitted the devices.
write_passwords() {
    umask 077
    mkdir -p "$own"
    source="$accounts/services"
    [ -z "$admitted" ] || source="$accounts/passwords"
    cp "$source" "$own/part"
    mosquitto_passwd -b "$own/part" ready "$ready_password" 2>/dev/null
    mv "$own/part" "$own/passwords"
}

fingerprint() {
    cat "$accounts/acl" "$accounts/passwords" "$accounts/services" 2>/dev/null | cksum
}

# Whether a worker is subscribed. The broker answers RC:16 when it has nobody for the message.
workers_subscribe() {
    answer=$(mosquitto_pub -h localhost -p "$port" --cafile "$ca" --insecure -V 5 -q 1 -u ready -P "$ready_password" \
        -t v1/_ready -n -d 2>&1) || true
    case $answer in
    *"PUBACK (Mid: 1, RC:0)"*) return 0 ;;
    *"PUBACK (Mid: 1, RC:16)"*)
        faults=0
        return 1
        ;;
    esac
    faults=$((faults + 1))
    [ "$faults" -lt "$admit_anyway_after" ] || {
        echo "cannot ask the broker for its workers, letting devices in all the same: $answer" >&2
        return 0
    }
    return 1
}

broker=
stop() {
    [ -z "$broker" ] || kill -TERM "$broker" 2>/dev/null || true
}
trap 'stop; exit 0' TERM INT

until [ -s "$accounts/passwords" ] && [ -f "$accounts/acl" ] && [ -s "$accounts/services" ]; do
    echo "waiting for $accounts/passwords, $accounts/services and $accounts/acl" >&2
    sleep "$poll_s" &
    wait $! || true
done

seen=$(fingerprint)
write_passwords
mosquitto -c "$config" &
broker=$!
# From here on a signal must wait for the broker to write its sessions.
trap 'stop; wait "$broker"; exit 0' TERM INT

while kill -0 "$broker" 2>/dev/null; do
    if [ -n "$admitted" ]; then sleep "$poll_s" & else sleep "$ready_poll_s" & fi
    wait $! || true
    now=$(fingerprint)
    if [ -z "$admitted" ] && workers_subscribe; then
        admitted=yes
        echo "an ingest worker is subscribed, letting devices in" >&2
        seen=
    fi
    if [ "$now" != "$seen" ]; then
        seen=$now
        write_passwords
        echo "accounts changed, reloading" >&2
        kill -HUP "$broker" 2>/dev/null || true
    fi
done
wait "$broker"
