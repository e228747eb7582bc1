#!/bin/sh
# Compares EM iterations of emulsion with those of other packages:  sh benchmarks/comparisons/run.sh [--quick]
# Installs what is missing (Debian, root), builds in build/comparisons, writes benchmarks/comparisons/results.md.
# --quick: smaller cases, one round, results in build/comparisons/results.md. ROUNDS=N in the environment: not three.
set -eu
cd "$(dirname "$0")/../.."
here=benchmarks/comparisons
build=build/comparisons
data=$build/data
runs=$build/runs
python=${PYTHON:-/usr/bin/python3}  # Debian's, for which python3-sklearn is
quick=false
case $* in
  '') ;;
  --quick) quick=true ;;
  *) echo "usage: sh $0 [--quick]" >&2; exit 2 ;;
esac
mkdir -p "$data"

setup() {
  packages=
  need() { packages="$packages $1"; }
  have() { command -v "$1" >/dev/null 2>&1; }
  have c++ || need g++
  have cmake || need cmake
  have make || need make
  [ -e /usr/include/eigen3/Eigen/Core ] || need libeigen3-dev
  [ -e /usr/include/armadillo ] || need libarmadillo-dev
  [ -e /usr/include/opencv4/opencv2/ml.hpp ] || need libopencv-ml-dev
  ls /usr/lib/*/libopenblas.so.0 >/dev/null 2>&1 || need libopenblas0-pthread  # the reference BLAS would flatter us
  "$python" -c 'import sklearn' >/dev/null 2>&1 || need python3-sklearn
  have Rscript || need r-base-core
  for package in mclust flexmix; do
    have Rscript && Rscript -e "quit(status = !requireNamespace('$package'))" >/dev/null 2>&1 || need r-cran-$package
  done
  [ -n "$packages" ] || return 0
  install="apt-get install -y -qq --no-install-recommends$packages"
  if have apt-get && [ "$(id -u)" = 0 ]; then
    echo "installing$packages"
    export DEBIAN_FRONTEND=noninteractive
    $install >"$build/setup.log" 2>&1 || { apt-get update -qq && $install; } >>"$build/setup.log" 2>&1 && return 0
  fi
  echo "missing:$packages; run: sudo apt-get install$packages" >&2
  exit 1
}

# Name, covariance, n, d, K.
cases() {
  if $quick; then
    echo f2 full 100000 2 8
    echo f16 full 20000 16 16
    echo f64 full 10000 64 16
    echo d16 diagonal 100000 16 32
  else
    echo f2 full 1000000 2 8
    echo f16 full 200000 16 16
    echo f64 full 100000 64 16
    echo f256 full 20000 256 10
    echo d16 diagonal 1000000 16 32
    echo d128 diagonal 200000 128 64
  fi
}

# Iterations and rounds: fewer where one iteration takes many seconds.
effort() {
  case $1.$2 in
    *.opencv) echo 1 1 ;;
    f256.armadillo) echo 1 1 ;;
    f16.mclust | f64.mclust | f256.mclust | d128.mclust) echo 2 1 ;;
    f64.armadillo) echo 1 "$rounds" ;;
    *.mclust | f256.* | d128.*) echo 3 "$rounds" ;;
    *) echo 5 "$rounds" ;;
  esac
}

# run PROGRAM THREADS FILE ARGUMENT...
run() {
  program=$1 threads=$2 file=$3
  shift 3
  export OMP_NUM_THREADS="$threads" OPENBLAS_NUM_THREADS="$threads"
  case $program in
    sklearn) "$python" $here/sklearn_em.py "$@" >"$file" ;;
    mclust) Rscript --vanilla $here/mclust_em.R "$@" >"$file" ;;
    *) "$build/${program}_em" "$@" >"$file" ;;
  esac || { echo "$program failed: $*" >&2; exit 1; }
}

setup
cmake -S $here -B $build >"$build/configure.log" || { cat "$build/configure.log" >&2; exit 1; }
cmake --build $build >"$build/build.log" 2>&1 || { tail -n 30 "$build/build.log" >&2; exit 1; }
rm -rf "$runs"
mkdir -p "$runs"
cases >"$runs/cases"
rounds=${ROUNDS:-3}
if $quick; then rounds=1; fi

while read -r name covariance n d components <&3; do
  "$build/generate" "$n" "$d" "$components" "$data"
  for round in $(seq "$rounds"); do
    echo "$name: round $round"
    "$build/limits" >"$runs/limits.$name-$round"
    for threads in 1 2; do
      for program in emulsion armadillo sklearn emulsion_plain mclust opencv; do
        case $threads.$program in 2.mclust | 2.opencv) continue ;; esac  # they have no threads
        set -- $(effort "$name" $program)
        [ "$round" -le "$2" ] || continue
        run $program $threads "$runs/$name.$program.$threads.$round" \
          "$covariance" "$n" "$d" "$components" "$data" "$1" $threads
      done
    done
    "$python" $here/report.py check "$runs" | grep "^$name:"
  done
done 3<"$runs/cases"
rm -r "$data"

if $quick; then results=$build/results.md; else results=$here/results.md; fi
"$python" $here/report.py write "$runs" "$results"
echo "written to $results"
