#!/usr/bin/env bash
# The pictures of the documentation, or with a folder all pictures: every page in light, dark and phone size.
where=${1:+$(realpath -m "$1")}
source "$(dirname "$0")/lib.sh"

[ -n "${CHROMIUM:-}" ] || system_package chromium chromium
npm_packages dashboard
cd dashboard && npm run --silent screenshots -- ${where:+"$where"}
