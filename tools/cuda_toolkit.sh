#!/bin/sh
# Prints the path of an nvcc that compiles and links: $NVCC, the one on the PATH, /usr/local/cuda's, or one that
# `--install` has put into build/cuda from PyPI's packages (some 800 MB; compiling needs no GPU).
#
#   NVCC=$(tools/cuda_toolkit.sh --install) && "$NVCC" -arch=sm_90 program.cu -lcudart -lcublas
#
#   --install   look first, install when there is none
#   BUILD       the folder for build/cuda, build unless set
#   PYTHON      python3 unless set
set -eu
folder=${BUILD:-build}/cuda
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
python=${PYTHON:-python3}
version='==13.0.*'

works() { "$1" --version >/dev/null 2>&1; }

find_nvcc() {
  for nvcc in "${NVCC:-}" "$(command -v nvcc 2>/dev/null || :)" /usr/local/cuda/bin/nvcc "$folder/bin/nvcc"; do
    if [ -n "$nvcc" ] && works "$nvcc"; then
      command -v "$nvcc"
      return 0
    fi
  done
  return 1
}

fail() {
  echo "cuda_toolkit.sh: $1" >&2
  exit 1
}

install_packages() {
  packages=
  for name in nvidia-cuda-nvcc nvidia-cuda-runtime nvidia-cuda-crt nvidia-cuda-cccl nvidia-nvvm nvidia-cublas; do
    packages="$packages $name$version"
  done
  command -v "$python" >/dev/null 2>&1 || fail "no $python to install the toolkit with"
  rm -rf "$folder"
  mkdir -p "$folder"
  # Debian's python3 may lack ensurepip (no venv) or refuse to install beside the system's packages (no pip).
  if "$python" -m venv "$folder/venv" >"$folder/install.log" 2>&1; then
    python=$folder/venv/bin/python
  fi
  # shellcheck disable=SC2086  # a list of words
  "$python" -m pip install -q --disable-pip-version-check --no-deps --target "$folder/packages" $packages \
    >>"$folder/install.log" 2>&1 ||
    fail "pip cannot install the toolkit: $(tail -n 1 "$folder/install.log") (see $folder/install.log)"
}

# The packages share one folder laid out like a toolkit's, with three gaps: the linker looks for libcudart.so
# in lib64, and the packages have versioned names in lib; programs may have lost their permission to run.
arrange() {
  toolkit=$(ls -d "$folder"/packages/nvidia/cu13 2>/dev/null) || fail "the packages have no nvidia/cu13 folder"
  chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/* 2>/dev/null || :
  [ -e "$toolkit/lib64" ] || ln -s lib "$toolkit/lib64"
  for library in "$toolkit"/lib/*.so.*; do
    link=${library%%.so.*}.so
    [ -e "$link" ] || ln -s "$(basename "$library")" "$link"
  done
  for name in bin include lib lib64 nvvm; do ln -sfn "packages/nvidia/cu13/$name" "$folder/$name"; done
}

try_out() {
  probe=$(mktemp -d)
  cat >"$probe/probe.cu" <<'END'
#include <cublas_v2.h>
__global__ void probe_kernel(float* y) { y[threadIdx.x] = 1; }
int main() {
  probe_kernel<<<1, 32>>>(nullptr);
  cublasHandle_t handle;
  return cublasCreate(&handle) != CUBLAS_STATUS_SUCCESS;
}
END
  tried=no
  "$folder/bin/nvcc" -arch=sm_80 -o "$probe/probe" "$probe/probe.cu" -lcudart -lcublas >"$probe/log" 2>&1 &&
    tried=yes
  problem=$(grep -v '^$' "$probe/log" | head -n 1 || :)
  rm -rf "$probe"
  [ "$tried" = yes ] || fail "the installed toolkit cannot compile and link: $problem"
}

install=no
case ${1:-} in
  '') ;;
  --install) install=yes ;;
  *) fail "unknown option $1; there is only --install" ;;
esac

find_nvcc && exit 0
[ "$install" = yes ] || fail "no nvcc; set NVCC, or tools/cuda_toolkit.sh --install puts one into $folder"
install_packages
arrange
try_out
find_nvcc
