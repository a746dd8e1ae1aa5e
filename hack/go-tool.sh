#!/usr/bin/env bash
# Builds one program out of a Go module of tests/tools.
#   hack/go-tool.sh MODULE PACKAGE LDFLAGS OUTPUT
# The modules stay apart because the versions they depend on fight; go.mod and go.sum pin every byte of them.
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"

have go || die "go is missing: the tests build kube-apiserver, etcd and a registry from their Go modules (Go 1.26 or newer)"
cd "$root/tests/tools/$1"
# Without cgo no C compiler is needed and the programs are static; an enclosing workspace or vendor setting must not leak in.
CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly nice go build -ldflags "-s -w $3" -o "$4" "$2"
