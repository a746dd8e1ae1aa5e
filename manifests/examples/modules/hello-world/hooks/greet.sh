#!/usr/bin/env bash
# Says once that the module runs.
set -euo pipefail

if [[ ${1:-} == --config ]]; then
  printf 'configVersion: v1\nonStartup: 10\n'
  exit
fi
echo "hello from $MODULE_NAME $MODULE_VERSION"
