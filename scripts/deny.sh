#!/usr/bin/env bash
# The dependencies against deny.toml. The advisories are looked up where their database can be had.
source "$(dirname "$0")/lib.sh"

cargo_deny() { have cargo-deny || cargo install --locked cargo-deny; }

advisories() {
  cargo deny fetch db 2>/dev/null || { echo 'the database of RustSec cannot be fetched here: skipped'; return 0; }
  cargo deny check advisories
}

step 'cargo-deny' cargo_deny
step 'licences, duplicates, sources' cargo deny --all-features check licenses bans sources
step 'advisories' advisories
printf '\nsteps: %s passed, 0 failed\n' "$steps_passed"
