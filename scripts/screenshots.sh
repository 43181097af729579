#!/usr/bin/env bash
# Takes the pictures of the documentation or, given a folder, of every page: light, dark and phone size.
where=${1:+$(realpath -m "$1")}
source "$(dirname "$0")/lib.sh"

[ -n "${CHROMIUM:-}" ] || system_package chromium chromium
npm_packages dashboard
cd dashboard && npm run --silent screenshots -- ${where:+"$where"}
