#!/usr/bin/env bash
# Runs the fuzz targets of a build on the committed inputs that once broke them, each in a process of its own.
#   tests/fuzz/replay.sh BUILD TARGET ...
set -u
build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:allocator_may_return_null=1
failed=0
for target in "$@" conversion; do
  [ -d "$here/regressions/$target" ] || continue
  for input in "$here/regressions/$target"/*; do
    replay=("$build/fuzz_$target" -rss_limit_mb=2048 -malloc_limit_mb=256 "$input")
    [ "$target" != conversion ] || replay=(python3 "$here/conversion.py" "$input")
    timeout 60 "${replay[@]}" || { failed=$?; echo "broken by $input: status $failed"; }
  done
done
exit $failed
