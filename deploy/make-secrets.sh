#!/bin/sh
# Random passwords, a private certificate authority and certificates for a first installation. Existing files are kept.
#
#   deploy/make-secrets.sh [DIR] [HOST]     DIR defaults to deploy/secrets, HOST (the name devices and people use) to localhost
#
# The folder is private (0700); the files in it are readable (0644) because compose mounts them with the owner they have here, and
# the accounts inside the containers are others. Replace the certificates with those of your own authority for production.
set -eu
dir=${1:-$(dirname "$0")/secrets}
host=${2:-localhost}
command -v openssl >/dev/null || { echo "openssl is not installed: apt-get install openssl" >&2; exit 1; }
umask 077
mkdir -p "$dir"
chmod 0700 "$dir"

random() { openssl rand -hex 24; }
put() { # put NAME TEXT
    [ -e "$dir/$1" ] || { printf '%s\n' "$2" >"$dir/$1"; chmod 0644 "$dir/$1"; }
}

put database_password "$(random)"
put database_url "postgresql://chuantou:$(cat "$dir/database_password")@timescaledb:5432/chuantou"
put ingest_password "$(random)"
put ingest_mqtt_url "mqtts://ingest:$(cat "$dir/ingest_password")@mosquitto:8883"
put monitor_password "$(random)"
put jwt_secret "$(random)$(random)"
put release_secret "$(random)"
put sample_users "{\"officer\": \"$(random)\", \"approver\": \"$(random)\", \"approver2\": \"$(random)\", \"operator\": \"$(random)\", \"devices\": \"$(random)\", \"auditor\": \"$(random)\", \"loader\": \"$(random)\"}"

if [ ! -e "$dir/ca_cert" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Chuantou private CA" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$dir/ca_key" -out "$dir/ca_cert" 2>/dev/null
fi
certificate() { # certificate NAME INNER_HOST
    [ ! -e "$dir/$1_cert" ] || return 0
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$dir/$1_key" -out "$dir/$1.csr" 2>/dev/null
    printf 'subjectAltName=DNS:%s,DNS:%s,DNS:localhost\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' "$2" "$host" >"$dir/$1.ext"
    openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca_cert" -CAkey "$dir/ca_key" -CAcreateserial -days 825 -extfile "$dir/$1.ext" \
        -out "$dir/$1_cert" 2>/dev/null
    rm -f "$dir/$1.csr" "$dir/$1.ext"
    chmod 0644 "$dir/$1_cert" "$dir/$1_key"
}
certificate mqtt_server mosquitto
certificate api api
chmod 0644 "$dir/ca_cert"
chmod 0600 "$dir/ca_key" # signs only; keep it off the servers
echo "secrets are in $dir; give devices $dir/ca_cert"
