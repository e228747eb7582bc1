#!/bin/sh
# Installs what is missing, and only that:
#   sh cmake/setup.sh BUILD_FOLDER [catch2] [json] [benchmark] [clang] [clang-rt] [clang-tidy] [clang-format]
# As root with apt: Debian packages. Without root: header packages unpacked into BUILD_FOLDER/deps.
# Where neither works, CMake fetches pinned files (cmake/dependencies.cmake); a missing compiler is named.
set -eu
build=$1
shift
mkdir -p "$build"
have() { command -v "$1" >/dev/null 2>&1; }
header() {
  for prefix in "$build/deps/usr" /usr /usr/local /opt/homebrew $(echo "${CMAKE_PREFIX_PATH-}" | tr ':;' '  '); do
    if [ -e "$prefix/include/$1" ]; then return 0; fi
  done
  return 1
}

packages=
need() { packages="$packages $1"; }
have c++ || have g++ || have clang++ || need g++
have cmake || need cmake
have make || have ninja || need make
header eigen3/Eigen/Core || need libeigen3-dev
for wanted in "$@"; do
  case $wanted in
    catch2) header catch2/catch.hpp || header catch2/catch_all.hpp || need catch2 ;;
    json) header nlohmann/json.hpp || need nlohmann-json3-dev ;;
    benchmark) header benchmark/benchmark.h || need libbenchmark-dev ;;
    clang) have clang++ || need clang ;;
    clang-rt) have clang++ && ls "$(clang++ -print-resource-dir)"/lib/*/libclang_rt.fuzzer* >/dev/null 2>&1 || need libclang-rt-dev ;;
    clang-tidy | clang-format) have "$wanted" || need "$wanted" ;;
    *) echo "setup: unknown dependency '$wanted'; the head of cmake/setup.sh lists the known ones" >&2; exit 2 ;;
  esac
done
[ -n "$packages" ] || exit 0

echo "setup: missing:$packages"
if have apt-get && [ "$(id -u)" = 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  install="apt-get install -y -qq --no-install-recommends$packages"
  # A fresh machine has no package lists yet, and an old one may have outdated ones.
  $install >"$build/setup.log" 2>&1 || { apt-get update -qq && $install; } >>"$build/setup.log" 2>&1 ||
    { tail -n 5 "$build/setup.log" >&2; echo "setup: could not install$packages; run: apt-get install$packages" >&2; exit 1; }
  exit 0
fi
for package in $packages; do
  case $package in
    libeigen3-dev | catch2 | nlohmann-json3-dev) ;;  # headers alone: they work from any folder
    *) echo "setup: '$package' is missing; run: sudo apt-get install$packages" >&2; exit 1 ;;
  esac
done
for package in $packages; do
  if have apt-get && have dpkg && (cd "$build" && apt-get download -qq "$package") >>"$build/setup.log" 2>&1; then
    for archive in "$build/$package"_*.deb; do dpkg -x "$archive" "$build/deps" && rm "$archive"; done
  else
    echo "setup: $package could not be downloaded with apt; CMake will try to fetch it"
  fi
done
