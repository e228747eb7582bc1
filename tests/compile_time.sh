#!/usr/bin/env bash
# The hello program compiles within its budget:  bash tests/compile_time.sh
# The least of five compilations at -O2, CPU seconds (user and system) of ${CXX:-g++}, against tests/compile_time_budget:
# the work is the same each time, and whatever else the machine does can only add to it.
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
times=$(for _ in 1 2 3 4 5; do seconds || exit 1; done) || { echo "$times"; exit 1; }
least=$(awk '{ print $1 + $2 }' <<<"$times" | sort -n | head -n 1)
echo "compile_time: $source takes $least s of CPU; the budget is $budget s"
awk -v least="$least" -v budget="$budget" 'BEGIN { exit least > budget }' ||
  { echo "compile_time: over the budget"; exit 1; }
