#!/usr/bin/env bash
# Do the laws notice?  bash tests/mutation.sh
# Copies the headers, spoils one thing at a time (tests/mutation/defects.sh), compiles the law suites against the copy
# (tests/mutation/suite.cpp) and prints which law caught it. Fails if a defect survives or no longer applies, or if the
# suite fails on the headers as they are. Needs perl; CXX and JOBS may be set.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

eigen=()
for folder in "$root"/build/*/deps/usr/include/eigen3 /usr/include/eigen3 /usr/local/include/eigen3; do
  if [ -e "$folder/Eigen/Core" ]; then eigen=(-isystem "$folder") && break; fi
done

# What no defect touches is parsed once.
compile=("${CXX:-c++}" -std=c++20 -O0 -w -pthread "${eigen[@]}")
printf '#include <%s>\n' Eigen/Core algorithm atomic functional memory stop_token string thread vector >"$work/common.hpp"
"${compile[@]}" -x c++-header "$work/common.hpp" -o "$work/common.hpp.gch"

# suite PART INCLUDES FOLDER: compiles and runs; prints the first broken law.
suite() {
  mkdir -p "$3"
  "${compile[@]}" -DPART_"$1" -I"$2" -include "$work/common.hpp" "$root/tests/mutation/suite.cpp" -o "$3/suite" \
    >"$3/compiler" 2>&1 || { echo "does not compile"; return 2; }
  timeout 120 "$3/suite"
}

names=() parts=() edits=()
defect() {  # NAME PARTS OLD NEW [OLD NEW ...]
  names+=("$1") parts+=("$2")
  shift 2
  edits+=("$(printf '%s\037' "$@")")
}
# shellcheck source=tests/mutation/defects.sh
. tests/mutation/defects.sh

# spoil FOLDER EDITS: replaces each OLD, found up to spaces, which must occur once.
spoil() {
  # shellcheck disable=SC2016
  find "$1/emulsion" -name '*.hpp' -not -path '*/testing/*' -print0 | sort -z | EDITS=$2 xargs -0 perl -e '
    my @edits = split /\037/, $ENV{EDITS}, -1;
    pop @edits;
    my %text;
    for my $file (@ARGV) { local $/; open my $in, "<", $file or die; $text{$file} = <$in>; }
    while (@edits) {
      my ($old, $new) = splice @edits, 0, 2;
      my $pattern = join "\\s*", map { quotemeta } ($old =~ /\w+|[^\w\s]/g);
      my @found = map { my $file = $_; map { $file } ($text{$file} =~ /$pattern/g) } keys %text;
      if (@found != 1) { print "the code it spoils occurs ", scalar @found, " times: $old\n"; exit 1; }
      $text{$found[0]} =~ s/$pattern/$new/;
    }
    for my $file (keys %text) { open my $out, ">", $file or die; print $out $text{$file}; }'
}

run() {  # NUMBER: one defect; its line of the table goes to $work/NUMBER/line
  local number=$1 folder=$work/$1 part caught code
  mkdir -p "$folder"
  cp -r include "$folder/include"
  if ! caught=$(spoil "$folder/include" "${edits[number]}"); then
    printf 'FAILED   %-44s %s\n' "${names[number]}" "$caught" >"$folder/line"
    return
  fi
  # A race may go unseen once: three runs.
  for part in ${parts[number]} ${parts[number]} ${parts[number]}; do
    code=0
    caught=$(suite "$part" "$folder/include" "$folder/$part") || code=$?
    case $code in
      0) continue ;;
      2) printf 'FAILED   %-44s %s\n' "${names[number]}" "spoilt, it does not compile" >"$folder/line" ;;
      *) printf 'caught   %-44s %s\n' "${names[number]}" "${caught:-the suite crashed or hung}" >"$folder/line" ;;
    esac
    cp "$folder/$part/compiler" "$folder/compiler" && rm -rf "$folder/include"
    return
  done
  printf 'SURVIVED %-44s\n' "${names[number]}" >"$folder/line"
  rm -rf "$folder/include"
}

# The headers as they are pass.
unspoilt() {
  suite "$1" "$root/include" "$work/unspoilt/$1" >"$work/unspoilt_$1" || touch "$work/broken_$1"
}

start=$SECONDS
throttle() { while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done; }
all_parts=$(printf '%s\n' "${parts[@]}" | tr ' ' '\n' | sort -u)
for part in $all_parts; do
  throttle
  unspoilt "$part" &
done
wait
for part in $all_parts; do
  if [ -e "$work/broken_$part" ]; then
    echo "mutation: the headers as they are break a law of the part '$part': $(cat "$work/unspoilt_$part")" >&2
    cat "$work/unspoilt/$part/compiler" >&2
    exit 1
  fi
done
for number in "${!names[@]}"; do
  throttle
  run "$number" &
done
wait

printf '%-8s %-44s %s\n' '' 'defect' 'caught by'
bad=0
for number in "${!names[@]}"; do
  cat "$work/$number/line"
  if ! grep -q '^caught' "$work/$number/line"; then bad=$((bad + 1)); fi
done
echo "mutation: $((${#names[@]} - bad)) of ${#names[@]} defects caught in $((SECONDS - start)) s"
[ "$bad" = 0 ]
