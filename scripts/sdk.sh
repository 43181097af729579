#!/usr/bin/env bash
# Runs the vendors' official SDKs against the stand-ins; they must report no errors.
source "$(dirname "$0")/lib.sh"

pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
phony=${PHONY_BIN:-target/debug/phony}
python=.cache/venv/bin/python
logs=$(mktemp -d)

# Starts a stand-in on a free port, and writes the base URL that it prints to a file.
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
# These start their stand-in themselves, behind a check against Twilio's own description.
cargo nextest run --workspace --run-ignored only --no-capture --filterset 'test(/^carriers::sdk::/)'
