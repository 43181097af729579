#!/usr/bin/env bash
# Checks the container files without an engine: Compose can parse them, and the linters find nothing.
source "$(dirname "$0")/lib.sh"

system_package docker-compose docker-compose
docker-compose config --quiet
docker-compose --profile human --profile setup config --services | sort | paste -sd' '
# A data folder belongs to one server, so the demonstration must have its own.
folders=$(docker-compose --profile human config |
  awk '/^  [a-z-]+:$/ { service = $1 } / - [a-z-]+:\/data/ { print service, $2 }')
[ "$(awk '/^(backend|human-demo):/ { print $2 }' <<<"$folders" | sort -u | wc -l)" = 2 ] || {
  printf 'the server and the demonstration share a data folder:\n%s\n' "$folders" >&2
  exit 1
}
python_env tests/containers/requirements.txt
.cache/venv/bin/hadolint Dockerfile
npm_packages tests/containers
tests/containers/node_modules/.bin/dclint --max-warnings 0 docker-compose.yml
