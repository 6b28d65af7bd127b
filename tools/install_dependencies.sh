#!/bin/sh
# Looks for what the build needs and installs what is missing with apt (with sudo when not root). On a system
# without apt it says what to install and stops.
#   CXX        the compiler to ask, g++ unless set; "ccache g++" is one too
#   BLAS_LIBS  how to link a CBLAS, -lopenblas unless set
# With the argument "emulator" also what runs CUDA kernels without a GPU.
# shellcheck disable=SC2086  # a compiler and its options are words
set -eu
compiler=${CXX:-g++}
blas=${BLAS_LIBS:--lopenblas}
[ "$compiler" = c++ ] && ! command -v c++ >/dev/null 2>&1 && compiler=g++

want=${1:-}  # "emulator": what only the emulator needs, too

has_header() { printf '#include <%s>\n' "$@" | $compiler -std=c++17 -x c++ -E - >/dev/null 2>&1; }
has_blas() {
  probe=$(mktemp)
  printf '#include <cblas.h>\nint main() { return cblas_sdot(0, nullptr, 1, nullptr, 1) != 0; }\n' |
    $compiler -x c++ - -o "$probe" $blas >/dev/null 2>&1 && found=yes || found=no
  rm -f "$probe"
  [ "$found" = yes ]
}

find_missing() {
  missing=
  command -v "${compiler##* }" >/dev/null 2>&1 || {
    case $compiler in *clang*) missing="$missing clang" ;; *) missing="$missing g++" ;; esac
  }
  command -v python3 >/dev/null 2>&1 || missing="$missing python3"
  has_blas || missing="$missing libopenblas-dev"
  has_header cstdio jpeglib.h || missing="$missing libjpeg-dev"
  has_header png.h || missing="$missing libpng-dev"
  has_header lcms2.h || missing="$missing liblcms2-dev"
  has_header doctest/doctest.h || missing="$missing doctest-dev"
  has_header CLI/CLI.hpp || missing="$missing libcli11-dev"
  has_header nlohmann/json.hpp || missing="$missing nlohmann-json3-dev"
  # The emulator's fibres: on x86-64 they have a switch of their own.
  [ "$want" != emulator ] || [ "$(uname -m)" = x86_64 ] || has_header boost/context/detail/fcontext.hpp || missing="$missing libboost-context-dev"
}

find_missing
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "swag needs these Debian packages, or your system's equivalents, and cannot install them here:$missing" >&2
  exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "swag needs packages; install them as root: apt-get install$missing" >&2
    exit 1
  fi
  as_root=sudo
fi
echo "installing$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of words
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null

find_missing
[ -z "$missing" ] && exit 0
echo "still missing after the installation:$missing" >&2
exit 1
