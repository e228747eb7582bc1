#!/bin/sh
# Compiles and runs SOURCE as PROGRAM with the flags of pkg-config:  sh pkg_config.sh COMPILER SOURCE PROGRAM
set -eu
"$1" -std=c++20 "$2" -o "$3" $(pkg-config --cflags --libs emulsion)
"$3"
