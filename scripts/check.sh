#!/usr/bin/env bash
# All checks that need no test run. Fast once everything is built; run it before every commit.
source "$(dirname "$0")/lib.sh"

# The pure crates must stay pure: no sockets, no clocks, no randomness, no environment.
purity() {
  local banned='tokio|axum|hyper|reqwest|redis|rusqlite|rand|getrandom|mio|socket2|tungstenite|tokio-tungstenite|chrono|time|rustls'
  local crate found
  for crate in phony-call phony-wire; do
    found=$(cargo tree --package "$crate" --edges normal --prefix none | awk '{print $1}' | sort -u | grep -xE "$banned" || true)
    if [ -n "$found" ]; then
      printf '%s must not depend on: %s\n' "$crate" "$(echo "$found" | tr '\n' ' ')" >&2
      return 1
    fi
  done
  if cargo tree --package phony-call --edges normal --prefix none | grep -q '^phony-wire' ||
    cargo tree --package phony-wire --edges normal --prefix none | grep -q '^phony-call'; then
    echo 'phony-call and phony-wire must not depend on each other' >&2
    return 1
  fi
  found=$(cargo tree --package phony-simulator --edges normal --depth 1 --prefix none | awk '{print $1}' | grep '^phony' | sort -u | tr '\n' ' ')
  if [ "$found" != 'phony-simulator phony-wire ' ]; then
    printf 'phony-simulator must depend on no crate of the workspace but phony-wire, not on: %s\n' "$found" >&2
    return 1
  fi
}

# Siblings of the server never import each other; see the module list in crates/phony/src/lib.rs.
layers() {
  local src=crates/phony/src bad=0 folder others
  for folder in carriers models http store; do
    [ -e "$src/$folder" ] || continue
    others=$(printf '%s\n' carriers models http store | grep -vx "$folder" | paste -sd'|')
    if grep -rnE "crate::($others)\b" "$src/$folder"; then
      echo "$folder must not import its siblings" >&2
      bad=1
    fi
  done
  return $bad
}

sizes() {
  local long
  long=$(git ls-files -co --exclude-standard -- '*.rs' '*.ts' '*.tsx' | grep -v 'schema.ts$' | tr '\n' '\0' | xargs -0 wc -l | awk '$2 != "total" && $1 > 800 {print $2 " (" $1 " lines)"}')
  [ -z "$long" ] || { printf 'over 800 lines, split: %s\n' "$long" >&2; return 1; }
}

docs() { RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet; }

step 'format' cargo fmt --all --check
step 'lints' cargo clippy --workspace --all-targets --quiet -- -D warnings
step 'purity of the pure crates' purity
step 'imports between layers' layers
step 'file sizes' sizes
step 'documentation' docs
step 'generated files' bash scripts/gen.sh --check
printf '\nsteps: %s passed, 0 failed\n' "$steps_passed"
