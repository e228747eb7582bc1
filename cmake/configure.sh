#!/bin/sh
# Configures a build folder:  sh cmake/configure.sh BUILD_FOLDER [cmake arguments]
# A folder left over from another place or another compiler is emptied first: CMake would refuse or ignore the change.
set -eu
build=$1
shift
cache=$build/CMakeCache.txt
stale() {
  grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache" || return 0
  compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$cache")
  command -v "$compiler" >/dev/null || return 0
  case "$*" in *--preset*) return 1 ;; esac  # a preset chooses its own compiler
  [ -n "${CXX-}" ] && [ "$(command -v "$CXX")" != "$(command -v "$compiler")" ]
}
if [ -f "$cache" ] && stale "$@"; then
  echo "configure: emptying $build, which belongs to another folder or compiler"
  rm -rf "$build"
fi
mkdir -p "$build"
log=$build/configure.log
if cmake -S . -B "$build" "$@" >"$log" 2>&1; then
  grep -E 'is left out|is not installed|is missing' "$log" || true
else
  sed -n '/^CMake Error/,$p' "$log" >&2
  echo "configure: cmake failed; all it said is in $log" >&2
  exit 1
fi
