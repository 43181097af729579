# Shared by the scripts: timed steps, and installers that do nothing if nothing is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

steps_passed=0

step() { # step NAME COMMAND...
  local name=$1 began=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if "$@"; then
    steps_passed=$((steps_passed + 1))
    printf '== %s: ok (%s s)\n' "$name" "$((SECONDS - began))"
  else
    printf '\n== %s: FAILED (%s s)\nsteps: %s passed, 1 failed\n' "$name" "$((SECONDS - began))" "$steps_passed"
    exit 1
  fi
}

have() { command -v "$1" >/dev/null 2>&1; }

# Installs system packages if the command is missing.
system_package() { # system_package COMMAND PACKAGE...
  local command=$1
  shift
  have "$command" && return 0
  have apt-get || { echo "$command is missing: install $* with the system's package manager" >&2; return 1; }
  local as=()
  [ "$(id -u)" = 0 ] || as=(sudo)
  "${as[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as[@]}" apt-get install -y -qq --no-install-recommends "$@"
}

nextest() {
  have cargo-nextest || cargo install --locked cargo-nextest
}

# Makes a Python environment for the vendors' official SDKs.
python_env() { # python_env REQUIREMENTS...
  have python3 || system_package python3 python3 python3-venv
  if [ ! -x .cache/venv/bin/python ]; then
    python3 -m venv .cache/venv 2>/dev/null || { system_package ensurepip-missing python3-venv && python3 -m venv .cache/venv; }
  fi
  local stamp
  stamp=.cache/venv/$(cat "$@" | sha256sum | cut -c1-16)
  [ -e "$stamp" ] && return 0
  local all=()
  for file in "$@"; do all+=(-r "$file"); done
  .cache/venv/bin/python -m pip install --quiet --disable-pip-version-check "${all[@]}"
  touch "$stamp"
}

# Installs a folder's npm packages if its lock file has changed.
npm_packages() { # npm_packages FOLDER
  [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ] && return 0
  (cd "$1" && npm ci --no-audit --no-fund)
  touch "$1/node_modules/.package-lock.json"
}

# Downloads Twilio's own OpenAPI description, from an npm package that contains it. No code of it is run.
twilio_description() {
  local folder=.cache/twilio package=@twilio-alpha/mcp@0.7.0
  local sum=475b69553e34e797af05d34679cdad3bc3b8b4b8b92e6ac044fa6ebc255bf052
  local file=$folder/twilio_api_v2010.json
  echo "$sum  $file" | sha256sum --check --status 2>/dev/null && return 0
  have npm || { echo 'npm is missing: install Node' >&2; return 1; }
  rm -rf "$folder" && mkdir -p "$folder"
  (cd "$folder" && npm pack --ignore-scripts --silent "$package" >/dev/null &&
    tar -xzf ./*.tgz --strip-components=4 package/twilio-oai/spec/json/twilio_api_v2010.json && rm ./*.tgz)
  echo "$sum  $file" | sha256sum --check --quiet
}
