#!/bin/sh
# Installs what is missing, builds and runs every test:  sh tests/run.sh [ctest arguments]
set -eu
cd "$(dirname "$0")/.."
build=build/release
sh cmake/setup.sh build catch2 json
[ -f "$build/CMakeCache.txt" ] || cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DEMULSION_BUILD_TESTS=ON -DEMULSION_BUILD_EXAMPLES=ON -DEMULSION_WARNINGS_AS_ERRORS=ON
cmake --build "$build" --parallel "$(nproc)"
ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)" "$@"
