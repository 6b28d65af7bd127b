#!/usr/bin/env bash
# Everything that a machine with a GPU can tell of this tree, in parts, each of which is kept once it has passed: a
# second call goes on where the first one ended. Leaves build/gpu_check/result.json, to be committed under docs/results/.
#
#   tools/gpu_check.sh --pack              on a Debian: copies headers and libraries into build/packed, for a bare machine
#   tools/gpu_check.sh [PART ...]          the parts named, or all that have not passed at this commit on this GPU
#   tools/gpu_check.sh --emulator [...]    the emulator in the GPU's place, as far as that goes
#   tools/gpu_check.sh --list
#
#   MINUTES   the time for one call, 9 unless set: a part that has no time left waits for the next call
#   OUT       a folder to copy result.json and the logs to
#   SIZE      of the pictures that are timed, 512 unless set
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD packed=$PWD/build/packed check=$PWD/build/gpu_check
parts=(build tests agreement ladder memcheck racecheck initcheck ops_vgg19 ops_resnet50 convolutions_vgg19
       convolutions_resnet50 evaluation_vgg19 evaluation_resnet50 run_vgg19 run_resnet50 counts)
size=${SIZE:-512}
device=cuda
deadline=$((SECONDS + ${MINUTES:-9} * 60))

# ---------------------------------------------------------------- what a bare machine lacks

libraries=(openblas.so.0 jpeg.so.62 png16.so.16 lcms2.so.2)  # what a build links, with the names of today's Debian

header() { echo "#include <$1>" | g++ -E -include cstdio -x c++ - | sed -n "s|^# 1 \"\(.*/$1\)\".*|\1|p" | head -n 1; }

# Headers as a folder for CPATH, libraries as one for LIBRARY_PATH and LD_LIBRARY_PATH. At most 48 MiB.
pack() {
  local name file
  rm -rf "$packed"
  mkdir -p "$packed/include" "$packed/lib"
  for name in doctest CLI nlohmann; do cp -rL "/usr/include/$name" "$packed/include/"; done
  for name in cblas openblas_config jpeglib jconfig jmorecfg jerror png pngconf pnglibconf lcms2; do
    cp -L "$(header "$name.h")" "$packed/include/"
  done
  for name in "${libraries[@]}"; do
    file=$(ldconfig -p | sed -n "s/.*lib${name//./\\.} .*=> //p" | head -n 1)
    cp -L "$file" "$packed/lib/"
    for file in $(ldd "$file" | sed -n 's/.*=> \(\S*lib\(gfortran\|quadmath\|z\)\.so\S*\) .*/\1/p'); do
      cp -L "$file" "$packed/lib/"
    done
  done
  link_packed
  local bytes
  bytes=$(du -s --apparent-size --block-size=1 "$packed" | cut -f 1)
  echo "$packed: $bytes bytes"
  [ "$bytes" -lt $((48 << 20)) ] || { echo "gpu_check.sh: more than 48 MiB" >&2; exit 1; }
}

# The names that a linker looks for.
link_packed() {
  local name
  for name in "${libraries[@]}"; do ln -sf "lib$name" "$packed/lib/lib${name%%.so*}.so"; done
  ln -sf libpng16.so.16 "$packed/lib/libpng.so"
}

use_packed() {
  [ -d "$packed" ] || return 0
  link_packed  # links may not travel
  export CPATH=$packed/include${CPATH:+:$CPATH} LIBRARY_PATH=$packed/lib${LIBRARY_PATH:+:$LIBRARY_PATH}
  export LD_LIBRARY_PATH=$packed/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

# ---------------------------------------------------------------- the parts: each writes part.json, or nothing

on_gpu() { [ $device = cuda ]; }
skip() { echo "SKIP: $1"; return 77; }
compare() { python3 tools/compare_pytorch.py "$@" --swag "$swag" --device $device --size "$size" --json part.json; }

build() {
  if on_gpu; then
    local capability
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
    make NVCC="$nvcc" CUDA_ARCHITECTURES="$capability" all gpu-test-build
    [ "$capability" -lt 80 ] || make NVCC="$nvcc" ladder-cuda
  else
    make CUDA=0 emulator build/emulator/cuda_backend_tests build/emulator/ladder
  fi
}

# The op tests, whole networks against PyTorch's float64, a stylisation against the CPU's.
tests() { "$gpu_tests"; }

# 200 iterations on both sides: the losses that they end with.
agreement() {
  local network side pixels=256
  on_gpu || pixels=32
  for network in vgg19 resnet50; do
    for side in cpu $device; do
      "$swag" assets/content.jpg assets/style.jpg -o "$network-$side.png" --overwrite --quiet --network $network \
        --weights splitmix:7 --size $pixels --scales 1 --iterations 200 --device $side --log "$network-$side.jsonl"
    done
  done
  python3 - $device <<'PYTHON'
import json, sys
rows = {}
for network in ("vgg19", "resnet50"):
    losses = [min(json.loads(line)["loss"] for line in open(f"{network}-{side}.jsonl")) for side in ("cpu", sys.argv[1])]
    rows[network] = {"cpu": losses[0], "device": losses[1], "ratio": losses[1] / losses[0]}
print(json.dumps(rows))
json.dump(rows, open("part.json", "w"))
sys.exit(0 if all(abs(row["ratio"] - 1) <= 0.03 for row in rows.values()) else 1)
PYTHON
}

ladder() { on_gpu && build/cuda/ladder || build/emulator/ladder; }

# The ops' tests on small shapes; whole networks would take hours.
sanitize() {
  on_gpu || { skip "compute-sanitizer needs a GPU; make cuda-test checks the same on the emulator"; return; }
  command -v compute-sanitizer || { skip "there is no compute-sanitizer"; return; }
  compute-sanitizer --tool "$1" --error-exitcode 9 "$gpu_tests" -tc='cuda *' \
    -tce='*large*,*PyTorch*,*all sizes*,*more than a grid*,*stylis*' -d
}
memcheck() { sanitize memcheck; }
racecheck() { sanitize racecheck; }
initcheck() { sanitize initcheck; }

ops() {
  on_gpu || size=32
  "$swag" bench ops --network "$1" --size "$size" --device $device --history $(on_gpu && echo 10 || echo 1) --json > ops.jsonl
  python3 -c 'import json; json.dump([json.loads(line) for line in open("ops.jsonl")], open("part.json", "w"))'
}
ops_vgg19() { ops vgg19; }
ops_resnet50() { ops resnet50; }

have_torch() { python3 -c 'import torch' 2>/dev/null || skip "there is no torch in python3"; }
convolutions() {
  on_gpu || { skip "cuDNN needs a GPU"; return; }
  have_torch || return
  compare convolutions --networks "$1" --variants channels_last,channels_last+tf32,channels_last+half
}
convolutions_vgg19() { convolutions vgg19; }
convolutions_resnet50() { convolutions resnet50; }
evaluation() {
  on_gpu || { skip "PyTorch has no emulator"; return; }
  have_torch || return
  compare evaluation --networks "$1" --repeat 30 --rounds 3 --compile-mode max-autotune-no-cudagraphs \
    --variants plain,channels_last,channels_last+tf32,channels_last+half,compile+channels_last+tf32,compile+channels_last+half
}
evaluation_vgg19() { evaluation vgg19; }
evaluation_resnet50() { evaluation resnet50; }
run() {
  on_gpu || { skip "PyTorch has no emulator"; return; }
  have_torch || return
  compare run --networks "$1" --iterations 300 --variants plain,channels_last+tf32,channels_last+half
}
run_vgg19() { run vgg19; }
run_resnet50() { run resnet50; }

# What the GPU counts of the ladder, to be held against the emulator's counts.
counts() {
  on_gpu || { skip "ncu needs a GPU"; return; }
  command -v ncu || { skip "there is no ncu"; return; }
  local metrics=l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum,l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum
  metrics+=,l1tex__data_pipe_lsu_wavefronts_mem_shared.sum,smsp__inst_executed_op_shared.sum
  ncu --csv --metrics $metrics build/cuda/ladder --once > ncu.csv
  python3 -c 'import json; json.dump(open("ncu.csv").read().splitlines(), open("part.json", "w"))'
}

# ---------------------------------------------------------------- one after the other

# What was measured on: a JSON object.
machine() {
  python3 - "$nvcc" "$device" <<'PYTHON'
import datetime, json, subprocess, sys
def ask(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
names = "name,driver_version,compute_cap,memory.total,clocks.sm,clocks.max.sm,clocks.mem,power.limit".split(",")
gpu = ask("nvidia-smi", "--query-gpu=" + ",".join(names), "--format=csv,noheader").split("\n")[0].split(", ")
print(json.dumps({
    "date": datetime.date.today().isoformat(), "device": sys.argv[2], "commit": ask("git", "rev-parse", "HEAD"),
    "changed": bool(ask("git", "status", "--porcelain")), "gpu": dict(zip(names, gpu)) if len(gpu) == len(names) else {},
    "nvcc": ask(sys.argv[1], "--version").split("\n")[-1] if sys.argv[1] else "",
    "torch": ask("python3", "-c", "import torch; print(torch.__version__, torch.version.cuda, torch.backends.cudnn.version())"),
}))
PYTHON
}

# Puts what the parts have left into one file.
write_result() {
  python3 - "$state" "$check/result.json" <<'PYTHON'
import json, pathlib, sys
state = pathlib.Path(sys.argv[1])
result = json.loads((state / "machine.json").read_text())
result["parts"] = {}
for status in sorted(state.glob("*/status"), key=lambda path: path.stat().st_mtime):
    word, seconds = status.read_text().split()
    data = status.parent / "part.json"
    result["parts"][status.parent.name] = {"status": word, "seconds": int(seconds),
                                           "result": json.loads(data.read_text()) if data.exists() else None}
pathlib.Path(sys.argv[2]).write_text(json.dumps(result, indent=1) + "\n")
PYTHON
  [ -n "${OUT:-}" ] || return 0
  cp "$check/result.json" "$OUT/"
  tail -n 100 "$state"/*/log > "$OUT/logs.txt"
}

run_part() {
  local part=$1 folder=$state/$1 left=$((deadline - SECONDS)) begin=$SECONDS status word
  [ "$left" -gt 10 ] || { echo "later   $part"; return 1; }
  mkdir -p "$folder"
  rm -f "$folder"/part.json
  # A part may leave files where it runs; paths are the tree's.
  timeout "$left" bash -c "$(declare -p root device size swag gpu_tests nvcc packed); $(declare -f); cd '$folder' && ln -sfn \
    '$root/assets' assets && ln -sfn '$root/build' build && ln -sfn '$root/tools' tools && case $part in build) cd '$root' ;; esac
    set -e; $part" > "$folder/log" 2>&1 < /dev/null
  status=$?
  case $status in 0) word=passed ;; 77) word=skipped ;; 124) word=unfinished ;; *) word=FAILED ;; esac
  echo "$word $((SECONDS - begin))" > "$folder/status"
  printf '%-10s %s (%d s)\n' $word "$part" $((SECONDS - begin))
  [ $word = FAILED ] && tail -n 25 "$folder/log" | cut -c -200 | sed 's/^/        /'
  [ $word = passed ] || [ $word = skipped ]
}

chosen=()
for argument in "$@"; do
  case $argument in
    --pack) pack; exit ;;
    --emulator) device=emulator ;;
    --list) printf '%s\n' "${parts[@]}"; exit ;;
    -*) echo "gpu_check.sh: unknown option $argument" >&2; exit 2 ;;
    *) [[ " ${parts[*]} " = *" $argument "* ]] || { echo "gpu_check.sh: no part $argument; --list names them" >&2; exit 2; }
       chosen+=("$argument") ;;
  esac
done

use_packed
nvcc=$(tools/cuda_toolkit.sh 2> /dev/null)
swag=$root/build/swag gpu_tests=$root/build/cuda/gpu_tests
if [ $device = emulator ]; then
  swag=$root/build/emulator/swag gpu_tests=$root/build/emulator/cuda_backend_tests
elif ! nvidia-smi > /dev/null 2>&1; then
  echo "gpu_check.sh: there is no GPU here; --emulator runs what can be run without one" >&2
  exit 5
elif [ -z "$nvcc" ]; then
  echo "gpu_check.sh: there is no nvcc; tools/cuda_toolkit.sh --install gets one" >&2
  exit 1
fi

gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2> /dev/null | head -n 1 | tr -c 'A-Za-z0-9\n' '_')
state=$check/$(git rev-parse --short HEAD 2> /dev/null || echo tree)-${gpu:-$device}
mkdir -p "$state"
machine > "$state/machine.json"
failed=0
for part in "${parts[@]}"; do
  if [ ${#chosen[@]} -gt 0 ]; then
    [[ " ${chosen[*]} " = *" $part "* ]] || continue
  elif grep -qsE '^(passed|skipped)' "$state/$part/status"; then
    continue
  fi
  run_part "$part" || failed=$((failed + 1))
  write_result
done
echo "$check/result.json"
[ $failed -eq 0 ] || { echo "$failed parts have not passed; call again for those that had no time"; exit 1; }
