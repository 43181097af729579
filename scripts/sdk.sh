#!/usr/bin/env bash
# The vendors' official SDKs against the stand-ins: they must find nothing to object to.
source "$(dirname "$0")/lib.sh"

pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
phony=${PHONY_BIN:-target/debug/phony}
python=.cache/venv/bin/python
logs=$(mktemp -d)

# Starts a stand-in on a free port and prints the base URL that it says it has.
start() { # start NAME ARGS...
  local name=$1
  shift
  "$phony" sim "$name" --port 0 "$@" >"$logs/$name" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do
    grep -oE 'http://127\.0\.0\.1:[0-9]+(/v1)?' "$logs/$name" | head -n 1 >"$logs/$name.url" || true
    [ -s "$logs/$name.url" ] && return 0
    sleep 0.1
  done
  cat "$logs/$name" >&2
  return 1
}

start openai
"$python" tests/sdk/openai_realtime.py "$(cat "$logs/openai.url")"
# This one starts its stand-in itself, with Twilio's own description in front of it.
cargo nextest run --workspace --run-ignored only --no-capture --filterset 'test(/^carriers::sdk::/)'
