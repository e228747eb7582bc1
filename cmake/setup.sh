#!/bin/sh
# Installs what is missing, and only that:  sh cmake/setup.sh BUILD_FOLDER [catch2] [json] [benchmark]
# As root with apt: Debian packages. Without root: header packages unpacked into BUILD_FOLDER/deps.
# Where neither works, CMake fetches pinned archives (see cmake/dependencies.cmake); a missing compiler is named.
set -eu
build=$1
shift
mkdir -p "$build"
have() { command -v "$1" >/dev/null 2>&1; }
header() { for prefix in /usr /usr/local "$build/deps/usr"; do [ -e "$prefix/include/$1" ] && return 0; done; return 1; }

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
    *) echo "setup: unknown dependency '$wanted'; known: catch2 json benchmark" >&2; exit 2 ;;
  esac
done
[ -n "$packages" ] || exit 0

echo "setup: missing:$packages"
if have apt-get && [ "$(id -u)" = 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends $packages >"$build/setup.log" 2>&1 ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages; } >>"$build/setup.log" 2>&1 ||
    { tail -n 5 "$build/setup.log" >&2; echo "setup: could not install$packages; run: apt-get install$packages" >&2; exit 1; }
  exit 0
fi
for package in $packages; do
  case $package in
    g++ | cmake | make) echo "setup: '$package' is missing; run: sudo apt-get install$packages" >&2; exit 1 ;;
  esac
  if have apt-get && have dpkg && (cd "$build" && apt-get download -qq "$package" >setup.log 2>&1); then
    for archive in "$build/$package"_*.deb; do dpkg -x "$archive" "$build/deps" && rm "$archive"; done
  else
    echo "setup: $package is not installed; CMake will try to fetch it (or run: sudo apt-get install $package)"
  fi
done
