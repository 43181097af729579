#!/usr/bin/env bash
# Runs each fuzz target for SECONDS_EACH seconds (default 60).
source "$(dirname "$0")/lib.sh"

have cargo-fuzz || cargo install --locked cargo-fuzz
cd fuzz
for target in $(cargo +nightly fuzz list --fuzz-dir .); do
  # New inputs go into the first folder; the committed corpus is in the second.
  mkdir -p "found/$target"
  cargo +nightly fuzz run --fuzz-dir . "$target" "found/$target" "corpus/$target" -- -max_total_time="${SECONDS_EACH:-60}" -rss_limit_mb=2048
done
