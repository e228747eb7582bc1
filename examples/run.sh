#!/bin/sh
# Installs what is missing, builds the main example and runs it on the Old Faithful data:
#   sh examples/run.sh [arguments of cluster; try --help]
set -eu
cd "$(dirname "$0")/.."
build=build/release
sh cmake/setup.sh build
sh cmake/configure.sh "$build" -DEMULSION_BUILD_EXAMPLES=ON
cmake --build "$build" --target cluster >"$build/build.log" 2>&1 || { cat "$build/build.log" >&2; exit 1; }
if [ $# -gt 0 ]; then exec "$build/examples/cluster" "$@"; fi
"$build/examples/cluster" --data examples/data/faithful.csv --plot build/faithful.svg
echo "The picture is build/faithful.svg"
