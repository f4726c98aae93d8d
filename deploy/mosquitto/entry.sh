#!/bin/sh
# Start the broker when its account files are there, and have it read them again (SIGHUP) whenever they change.
set -eu
accounts=${ACCOUNTS_DIR:-/accounts}
config=${MOSQUITTO_CONFIG:-/mosquitto/config/mosquitto.conf}
poll_s=${ACCOUNTS_POLL_S:-2}

fingerprint() {
    cat "$accounts/acl" "$accounts/passwords" 2>/dev/null | cksum
}

broker=
stop() {
    [ -z "$broker" ] || kill -TERM "$broker" 2>/dev/null || true
}
trap 'stop; exit 0' TERM INT

until [ -s "$accounts/passwords" ] && [ -f "$accounts/acl" ]; do
    echo "waiting for $accounts/passwords and $accounts/acl" >&2
    sleep "$poll_s" &
    wait $! || true
done

seen=$(fingerprint)
mosquitto -c "$config" &
broker=$!
# From here on a signal must wait for the broker to write its sessions.
trap 'stop; wait "$broker"; exit 0' TERM INT

while kill -0 "$broker" 2>/dev/null; do
    sleep "$poll_s" &
    wait $! || true
    now=$(fingerprint)
    if [ "$now" != "$seen" ]; then
        seen=$now
        echo "accounts changed, reloading" >&2
        kill -HUP "$broker" 2>/dev/null || true
    fi
done
wait "$broker"
