#!/bin/sh
# Asks the program as a web server would; $1 is the program, built for this machine.
set -eu

check() {
    answer=$(printf %s "$3" | REQUEST_METHOD=$1 PATH_INFO=$2 "$program" | tail -n 1)
    if [ "$answer" != "$4" ]; then
        echo "$1 $2 answers '$answer', not '$4'" >&2
        exit 1
    fi
}

program=$1
check GET / '' 'Hello from {name}'
check POST /echo hi hi
check GET /x '' 'not found'
echo 'all tests passed'
