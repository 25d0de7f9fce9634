#!/bin/sh
# Makes deploy/secrets, which compose.yaml mounts and README.md turns into Secrets: an authority, certificates of router and
# store, the store's user with a new password, and the address of the store. Keep ca.key elsewhere: nothing mounts it.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
out="${1:-$here/secrets}"
mkdir "$out"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=affinity-matcher authority" \
  -keyout "$out/ca.key" -out "$out/ca.crt" 2>/dev/null

certificate() { # its name, and the names that it is for
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$2" > "$out/$1.ext"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$out/$1.key" -out "$out/$1.csr" \
    2>/dev/null
  openssl x509 -req -in "$out/$1.csr" -CA "$out/ca.crt" -CAkey "$out/ca.key" -CAcreateserial -days 397 \
    -extfile "$out/$1.ext" -out "$out/$1.crt" 2>/dev/null
  rm "$out/$1.csr" "$out/$1.ext"
}

certificate router "DNS:localhost,DNS:router-1,DNS:router-2,DNS:matcher,DNS:matcher.default,DNS:matcher.default.svc,IP:127.0.0.1"
certificate store "DNS:localhost,DNS:valkey,DNS:valkey.default,DNS:valkey.default.svc,IP:127.0.0.1"
password=$(openssl rand -hex 32)
digest=$(printf %s "$password" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
sed "s/#0\{64\}/#$digest/" "$here/store.acl" > "$out/users.acl"
printf %s "rediss://matcher:$password@valkey:6379/0?ssl_ca_certs=/run/secrets/ca.crt" > "$out/store-url"
# Files of compose keep their mode, and their readers are other users than who made them; the folder lets nobody else in.
chmod 0444 "$out/ca.crt" "$out/router.crt" "$out/router.key" "$out/store.crt" "$out/store.key" "$out/users.acl" "$out/store-url"
rm -f "$out/ca.srl"
echo "made $out"
