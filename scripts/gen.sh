#!/usr/bin/env bash
# Regenerates the files generated from code; with --check, fails if that would change any of them.
source "$(dirname "$0")/lib.sh"

openapi=$(mktemp) schema=$(mktemp) dotenv=$(mktemp) envrc=$(mktemp)
trap 'rm -f "$openapi" "$schema" "$dotenv" "$envrc"' EXIT
# With the features of the test build, so that nothing is built twice.
cargo build --quiet --workspace --bins --tests
target/debug/phony openapi >"$openapi"
target/debug/phony example env >"$dotenv"
target/debug/phony example envrc >"$envrc"
have_dashboard=0
if [ -e dashboard/package.json ] && have npm; then
  have_dashboard=1
  npm_packages dashboard
  (cd dashboard && npx --no-install openapi-typescript "$openapi" --output "$schema" >/dev/null)
fi

place() { # place GENERATED TARGET
  if [ "${check:-}" = 1 ]; then
    diff -u "$2" "$1" >/dev/null || { echo "$2 is not up to date: run 'make gen'" >&2; exit 1; }
  else
    cp "$1" "$2"
    chmod 644 "$2"
  fi
}

[ "${1:-}" = --check ] && check=1
place "$openapi" openapi.json
place "$dotenv" .env.example
place "$envrc" .envrc.example
[ "$have_dashboard" = 0 ] || place "$schema" dashboard/src/api/schema.ts
