#!/bin/sh
# Makes the secrets of compose.yaml, in secrets/ beside it; what is there already stays. For root, as the files of the service must
# belong to its user (with a rootless podman: ENGINE=podman podman unshare compose/secrets.sh).
set -eu
cd "$(dirname "$0")/.."

# By number: what the user of the service is called is known in its image only.
SERVICE_USER=65532

# Nobody of this machine gets in. The files themselves are open, as each container has a user of its own.
mkdir -p -m 700 secrets
mkdir -p -m 700 secrets/onrecord secrets/upkeep
umask 022

# The program that ONRECORD names, or that of the image.
onrecord() {
    if [ -n "${ONRECORD:-}" ]; then
        "$ONRECORD" "$@"
    else
        image=$(sed -n 's/^ *image: \(onrecord:.*\)/\1/p' compose.yaml)
        "${ENGINE:-docker}" run --rm --user 0 --volume "$PWD/secrets:$PWD/secrets" "$image" "$@"
    fi
}

# A file with what the command prints: all of it or none.
make() {
    file=secrets/$1
    shift
    [ ! -e "$file" ] || return 0
    "$@" >"$file.new"
    [ -s "$file.new" ]
    mv "$file.new" "$file"
}

random() {
    head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'
}

key() {
    name=$1
    shift
    # Whoever adds a key must be its owner.
    chown -R 0:0 secrets/onrecord
    onrecord key new --api-keys-file "$PWD/secrets/onrecord/keys.toml" --name "$name" "$@" 2>/dev/null
}

password() {
    printf '*:*:*:onrecord_%s:%s\n' "$1" "$(cat "secrets/$1")"
}

for name in postgres migrator writer grafana; do
    make "$name" random
done
make onrecord/pgpass password writer
make upkeep/pgpass password migrator
make prometheus key prometheus --scope metrics
make client key client --scope predict --scope read
chmod 600 secrets/onrecord/* secrets/upkeep/*
chown -R "$SERVICE_USER:$SERVICE_USER" secrets/onrecord secrets/upkeep
echo "The secrets are in $PWD/secrets: the key of a first client in client, the password of Grafana's admin in grafana."
