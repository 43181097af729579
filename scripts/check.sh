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

# Rooms import only rooms above them, and no folder has an import cycle.
layers() { cargo test --quiet --workspace --test layers; }

# Every dependency of a crate is named somewhere in it.
unused() {
  local manifest folders kind name unused=0
  for manifest in crates/*/Cargo.toml; do
    folders=("$(dirname "$manifest")")
    # The tests of the program read a file of the simulator's.
    [ "$manifest" != crates/phony/Cargo.toml ] || folders+=(crates/simulator/tests)
    for kind in dependencies dev-dependencies; do
      while read -r name; do
        grep -rqE "\\b${name//-/_}(::|!|;| as )" --include='*.rs' "${folders[@]}" && continue
        printf '%s: %s is in [%s] and used nowhere\n' "$manifest" "$name" "$kind" >&2
        unused=1
      done < <(awk -v section="[$kind]" '/^\[/ { on = $0 == section } on && /^[a-z]/ { sub(/[. =].*/, ""); print }' "$manifest")
    done
  done
  return $unused
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
step 'unused dependencies' unused
step 'file sizes' sizes
step 'documentation' docs
step 'generated files' bash scripts/gen.sh --check
printf '\nsteps: %s passed, 0 failed\n' "$steps_passed"
