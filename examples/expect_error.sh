#!/bin/sh
# Passes if a program ends with an error code and a message, and not with a signal:  sh expect_error.sh PROGRAM ARGUMENTS
code=0
message=$("$@" 2>&1 >/dev/null) || code=$?
echo "exit code $code: $message"
[ "$code" -ge 1 ] && [ "$code" -lt 126 ] && [ -n "$message" ]
