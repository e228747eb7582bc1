#!/bin/sh
# Installs what is missing, builds and runs every test:  sh tests/run.sh [ctest arguments]
set -eu
cd "$(dirname "$0")/.."
build=build/release
jobs=$(getconf _NPROCESSORS_ONLN)
sh cmake/setup.sh build catch2 json
sh cmake/configure.sh "$build" -DCMAKE_BUILD_TYPE=Release -DEMULSION_BUILD_TESTS=ON -DEMULSION_BUILD_EXAMPLES=ON \
  -DEMULSION_BUILD_COMPILED=ON -DEMULSION_WARNINGS_AS_ERRORS=ON
cmake --build "$build" --parallel "$jobs"
ctest --test-dir "$build" --output-on-failure --parallel "$jobs" "$@"
