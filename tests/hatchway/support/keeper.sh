#!/usr/bin/env bash
# Runs a program for a test and ends it with the test, however the test ends: a panic, Ctrl-C, even SIGKILL.
#   keeper.sh LOG FOLDER COMMAND...
# Standard input is a pipe that the test process holds open; the kernel closes it when that process is gone. Then the
# program is killed and FOLDER (may be empty: none) removed. Prints the program's process id, and its exit code once
# it has ended.
set -uo pipefail
log=$1 folder=$2
shift 2

# Own process groups for what is started here: otherwise it would be deaf to SIGINT.
set -m
# The same where whoever began the tests had SIGINT ignored, as a shell does for what it starts with `&`.
# Should this script itself be killed, the kernel kills the program.
env --default-signal=INT,QUIT setpriv --pdeathsig KILL -- "$@" </dev/null >>"$log" 2>&1 &
program=$!
echo "$program"

{
  cat
  kill -KILL "$program"
} >/dev/null &
watcher=$!

# Nobody may be left to read what is printed below; the folder has to go all the same.
trap '' PIPE
# A wait also ends when the program is only stopped; it will go on. (`wait -f` is for that, but bash 5.2 is caught in it
# for good at times.)
while
  wait "$program"
  code=$?
  kill -0 "$program" 2>/dev/null
do
  sleep 0.1
done
echo "$code"
exec >&-
wait "$watcher"
[[ -z $folder ]] || rm -rf -- "$folder"
