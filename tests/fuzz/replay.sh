#!/usr/bin/env bash
# Runs the fuzz targets of a build on the committed inputs that once broke them, each in a process of its own.
#   tests/fuzz/replay.sh BUILD TARGET ...
set -eu
build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
for target in "$@"; do
  [ -d "$here/regressions/$target" ] || continue
  for input in "$here/regressions/$target"/*; do
    timeout 20 "$build/fuzz_$target" "$input"
  done
done
