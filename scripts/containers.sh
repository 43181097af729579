#!/usr/bin/env bash
# The files for containers, without an engine: Compose understands them, the linters find nothing.
source "$(dirname "$0")/lib.sh"

system_package docker-compose docker-compose
docker-compose config --quiet
docker-compose --profile human --profile setup config --services | sort | paste -sd' '
python_env tests/containers/requirements.txt
.cache/venv/bin/hadolint Dockerfile
npm_packages tests/containers
tests/containers/node_modules/.bin/dclint --max-warnings 0 docker-compose.yml
