#!/usr/bin/env bash
# Builds the image and runs it without a container engine and without pulling images: the base is a
# Debian made by debootstrap, and this machine's Rust and Node replace the official images.
source "$(dirname "$0")/lib.sh"

system_package buildah buildah
system_package debootstrap debootstrap
system_package curl curl

store=${PHONY_IMAGE_STORE:-$PWD/.cache/image}
mkdir -p "$store"
# This machine's certificates, so that a proxy's are trusted in the containers too.
certificates=/etc/ssl/certs/ca-certificates.crt
image() { buildah --root "$store/storage" --runroot "$store/run" --storage-driver vfs "$@"; }

base() {
  image inspect --type image localhost/phony-base >/dev/null 2>&1 && return 0
  local root=$store/debian container
  [ -e "$root/bin/sh" ] || debootstrap --variant=minbase bookworm "$root" >"$store/debootstrap.log"
  container=$(image from scratch)
  image add --quiet "$container" "$root" /
  image add --quiet "$container" $certificates $certificates
  image commit --quiet --rm "$container" localhost/phony-base
}

toolchain() {
  image inspect --type image localhost/phony-toolchain >/dev/null 2>&1 && return 0
  local container npm
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  container=$(image from localhost/phony-base)
  for part in bin lib; do
    image add --quiet "$container" "$(rustc --print sysroot)/$part" "/usr/local/$part"
  done
  image add --quiet "$container" "$(readlink -f "$(command -v node)")" /usr/local/bin/node
  image add --quiet "$container" "$npm" /usr/local/lib/node_modules/npm
  image run --isolation chroot "$container" -- \
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
  image config --env NODE_EXTRA_CA_CERTS=$certificates --env CARGO_HTTP_CAINFO=$certificates "$container"
  image commit --quiet --rm "$container" localhost/phony-toolchain
}

build() {
  image bud --isolation chroot --layers=false --target runtime --tag localhost/phony \
    --build-arg RUST_IMAGE=localhost/phony-toolchain --build-arg NODE_IMAGE=localhost/phony-toolchain \
    --build-arg RUNTIME_IMAGE=localhost/phony-base .
}

# Checks the image's configuration, then runs its program as its user, with its health check.
runs() {
  local container port=24199 pid
  image inspect --type image localhost/phony >"$store/inspect.json"
  grep -q '"User": "10001:10001"' "$store/inspect.json"
  grep -q '"/data": {}' "$store/inspect.json"
  container=$(image from localhost/phony)
  inside() { image run --isolation chroot --user 10001:10001 "$container" -- "$@"; }
  [ "$(inside id -u)" = 10001 ]
  inside phony --version
  inside env PORT=$port PHONY_DATA_DIR=/data phony serve >"$store/serve.log" 2>&1 &
  pid=$!
  for _ in $(seq 100); do
    curl --silent --fail "http://127.0.0.1:$port/healthz" && break
    sleep 0.1
  done
  inside env PORT=$port phony health
  curl --silent --fail --output /dev/null "http://127.0.0.1:$port/dashboard/"
  if inside touch /usr/local/bin/phony 2>/dev/null; then
    echo 'the user of the image can write to /usr/local/bin' >&2
    return 1
  fi
  inside sh -c 'kill -TERM $(cat /proc/[0-9]*/stat 2>/dev/null | sed -n "s/^\([0-9]*\) (phony) .*/\1/p")' || true
  wait "$pid"
  image rm "$container" >/dev/null
  image images --format '{{.Name}} {{.Size}}' | grep '/phony '
}

step 'base: a Debian' base
step 'toolchain: Rust and Node' toolchain
step 'the image' build
step 'the image runs' runs
printf '\nsteps: %s passed, 0 failed\n' "$steps_passed"
