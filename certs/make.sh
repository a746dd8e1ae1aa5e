#!/usr/bin/env bash
# Makes a certificate authority and a server certificate for development:
#   certs/make.sh [FOLDER]      default: certs/dev
# then: hatchway serve --tls-dir certs/dev … and curl --cacert certs/dev/ca.crt …
# P-256 keys: a handshake costs a quarter of what it costs with RSA 2048. Nothing made here is committed.
set -euo pipefail

folder=${1:-$(dirname "$0")/dev}
mkdir -p "$folder"
cd "$folder"
umask 077

openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -sha256 -days 365 -subj "/CN=hatchway development CA" -out ca.crt \
  -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign"

openssl ecparam -name prime256v1 -genkey -noout -out tls.key
openssl req -new -key tls.key -subj "/CN=hatchway" -out tls.csr
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -sha256 -days 90 -out tls.crt -extfile <(
  echo "basicConstraints=critical,CA:FALSE"
  echo "keyUsage=critical,digitalSignature"
  echo "extendedKeyUsage=serverAuth"
  echo "subjectAltName=DNS:localhost,DNS:hatchway.d8-system.svc,IP:127.0.0.1,IP:::1"
) 2>/dev/null
rm -f tls.csr ca.srl
chmod 644 ca.crt tls.crt

printf 'made ca.crt, ca.key, tls.crt and tls.key in %s\n' "$PWD"
