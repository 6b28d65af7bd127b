#!/usr/bin/env bash
# shellcheck disable=SC2317  # functions are called through an array
# Runs fuzz targets one after the other, and ends with 1 when one found something. `make fuzz` builds them.
#   tests/fuzz/run.sh BUILD TARGETS_BUILD SECONDS TARGET ...
# New inputs are kept in BUILD/fuzz/corpus/TARGET, what broke a target in BUILD/fuzz/found/TARGET-*, and what
# each target says in BUILD/fuzz/TARGET.log, whichever way the targets of TARGETS_BUILD were compiled.
set -u
build=$1 targets=$2 seconds=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
fuzz=$(cd "$build" && pwd)/fuzz
mkdir -p "$fuzz/found"
"$here/seeds.py" "$fuzz/seeds" "$build/swag" || exit 1

# A compressed picture may be large when it is unpacked, but not by this much; nor may it take long.
limits=(-rss_limit_mb=2048 -malloc_limit_mb=256 -timeout=20 -max_len=20000)
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:allocator_may_return_null=1
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-}:print_stacktrace=1
export OPENBLAS_NUM_THREADS=1

# fuzz_target NAME: libFuzzer, with the format's dictionary where there is one.
fuzz_target() {
  local name=$1 dictionary=$here/dictionaries/$1.dict options=("${limits[@]}")
  [ "$name" != descriptions ] || dictionary=$here/dictionaries/pictures.dict
  [ ! -e "$dictionary" ] || options+=("-dict=$dictionary")
  [ "$name" != api ] || options+=(-max_len=600)
  mkdir -p "$fuzz/corpus/$name"
  local folders=("$fuzz/corpus/$name" "$fuzz/seeds/$name")
  [ ! -d "$here/regressions/$name" ] || folders+=("$here/regressions/$name")
  "$targets/fuzz_$name" "${options[@]}" -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix="$fuzz/found/$name-" "${folders[@]}"
}

failed=0
for target in "$@"; do
  log=$fuzz/$target.log
  case $target in
    conversion) run=(python3 "$here/conversion.py" --seconds "$seconds" --found "$fuzz/found") ;;
    program) run=(python3 "$here/program.py" --seconds "$seconds" --found "$fuzz/found" "$build/swag") ;;
    *) run=(fuzz_target "$target") ;;
  esac
  "${run[@]}" >"$log" 2>&1
  status=$?
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p; s/^\([0-9]*\) executions.*/\1/p' "$log")
  if [ $status -eq 0 ]; then
    echo "$target: ${executions:-?} executions in $seconds s, nothing found"
  else
    failed=1
    echo "$target: FOUND something after ${executions:-?} executions, see $log; its end:"
    tail -n 40 "$log"
  fi
done
exit $failed
