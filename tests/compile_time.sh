#!/usr/bin/env bash
# The hello program compiles within its budget:  bash tests/compile_time.sh
# Median of three compilations at -O2, CPU seconds (user and system) of ${CXX:-g++}, against tests/compile_time_budget.
set -euo pipefail
cd "$(dirname "$0")/.."
read -r budget <tests/compile_time_budget
source=tests/consumers/hello.cpp
eigen=
for folder in build/deps/usr/include/eigen3 build/deps/eigen-3.4.0 /usr/include/eigen3 /usr/local/include/eigen3; do
  [ -n "$eigen" ] || [ ! -e "$folder/Eigen/Core" ] || eigen=$folder
done
[ -n "$eigen" ] || { echo "compile_time: Eigen is missing; run: sh cmake/setup.sh build" >&2; exit 1; }

TIMEFORMAT='%U %S'
seconds() { { time "${CXX:-g++}" -std=c++20 -O2 -Iinclude -isystem "$eigen" -c "$source" -o /dev/null; } 2>&1; }
times=$(for _ in 1 2 3; do seconds || exit 1; done) || { echo "$times"; exit 1; }
median=$(awk '{ print $1 + $2 }' <<<"$times" | sort -n | sed -n 2p)
echo "compile_time: $source takes $median s of CPU; the budget is $budget s"
awk -v median="$median" -v budget="$budget" 'BEGIN { exit median > budget }' ||
  { echo "compile_time: over the budget"; exit 1; }
