#!/bin/sh
# A fixed MQTT client id for each replica of ingest: take the lowest free number and keep it while we live.
#
# The broker keeps a session, with its share of the messages, per client id. A replica with a random id would leave its share behind at
# every restart. The number is a file lock on a volume shared by the replicas: the kernel frees it however the process ends, and the
# next replica that starts takes the number, resumes the session and stores what waited in it.
#
# The volume must be local to one machine. Over several machines use a stable host name per replica instead, as a Kubernetes
# StatefulSet gives, and set CHUANTOU_INGEST_CLIENT_ID from it (docs/operations.md).
set -eu
slots=${SLOTS_DIR:-/slots}
slots_max=${SLOTS_MAX:-64}
number=1
while [ "$number" -le "$slots_max" ]; do
    exec 9>"$slots/ingest-$number.lock"
    if flock --nonblock 9; then
        CHUANTOU_INGEST_CLIENT_ID="ingest-$number"
        export CHUANTOU_INGEST_CLIENT_ID
        exec "$@" # descriptor 9, and with it the lock, goes along
    fi
    number=$((number + 1))
done
echo "no free slot among $slots_max in $slots" >&2
exit 1
