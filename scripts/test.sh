#!/usr/bin/env bash
# Runs all checks and tests, cheap ones first. Installs what it needs if it is missing.
source "$(dirname "$0")/lib.sh"

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
profile=default
[ -z "${CI:-}" ] || profile=ci

dashboard_tests() {
  (cd dashboard && npm run --silent check && npm test --silent && npm run --silent build)
}

rust_tests() { # rust_tests FILTER
  # Most tests wait, as for speech, so two on each of two processors do not slow each other down.
  local processors
  processors=$(getconf _NPROCESSORS_ONLN)
  cargo nextest run --workspace --profile "$profile" --filterset "$1" \
    --test-threads $((processors < 4 ? 4 : processors))
}

# The dashboard in a browser: on recorded events, then against the server between its stand-ins.
browser() {
  [ -n "${CHROMIUM:-}" ] || system_package chromium chromium
  cargo build --quiet --workspace --bins --tests
  (cd dashboard && npm run --silent test:browser && npm run --silent test:live)
}

# One whole call without any setup, by the command that a newcomer types.
demo() {
  local out
  out=$(mktemp)
  timeout 180 target/debug/phony demo --auto </dev/null >"$out" || { cat "$out"; return 1; }
  tail -n 25 "$out"
  rm -f "$out"
}

step 'tools' nextest
step 'a Redis for the tests' system_package redis-server redis-server
step "Twilio's own description of its API" twilio_description
step 'dashboard packages' npm_packages dashboard
step 'format, lints, purity, docs, generated files' bash scripts/check.sh
step 'dashboard' dashboard_tests
step 'containers: the files' bash scripts/containers.sh
step 'pure crates' rust_tests 'package(phony-call) | package(phony-wire)'
step 'stand-ins, over real sockets' rust_tests 'package(phony-simulator)'
step 'examples in the documents' cargo test --quiet --workspace --doc
step 'server, over real sockets' rust_tests 'package(phony)'
step 'official SDKs: packages' python_env tests/sdk/requirements-openai.txt tests/sdk/requirements-twilio.txt
step 'official SDKs against the stand-ins' bash scripts/sdk.sh
step 'the page in a browser' browser
step 'a whole call' demo
printf '\nsteps: %s passed, 0 failed\n' "$steps_passed"
