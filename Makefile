# `make` lists the targets. Two do everything on a fresh machine with Rust and Node: `make demo`, `make test`.

SHELL := bash
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: ## try whole calls without account, network or setup (DEMO="--auto" plays one to its end)
	cargo build --release --package phony
	target/release/phony demo $(DEMO)

test: ## install what the tests need and run everything
	bash scripts/test.sh

twilio-spec: ## download Twilio's own description of its API, against which tests check every request
	bash -c 'source scripts/lib.sh && twilio_description'

check: ## check format, lints, purity of the pure crates, docs, generated files: fast, before every commit
	bash scripts/check.sh

deny: ## check the dependencies' licences, sources, duplicates and advisories (installs cargo-deny: minutes)
	bash scripts/deny.sh

gen: ## regenerate openapi.json, the dashboard's types and the .env examples
	bash scripts/gen.sh

bless: ## accept the current outputs of the golden calls; then read the diff
	BLESS=1 cargo test --package phony-call --test scripts

dashboard: ## build only the dashboard
	cd dashboard && npm ci --no-audit --no-fund && npm run build

screenshots: ## take the pictures of the documentation, from recorded events (PICTURES=FOLDER: every page, into that folder)
	bash scripts/screenshots.sh $(PICTURES)

bench: ## benchmark the call, the parsers and the writers
	cargo bench --package phony-call --package phony-wire

measure: ## run what measures time, or takes minutes: 100,000 stored calls, 1,000 calls with a store, a rolling restart under 300, how smooth the page is
	cargo nextest run --release --package phony --profile measure --run-ignored only --no-capture
	cargo build --quiet --workspace --bins
	cd dashboard && npm run --silent measure

load: ## measure 1,000 relay calls on loopback, and a bare two-socket copy as the baseline
	cargo build --release --package phony
	target/release/phony load --floor $(LOAD)

image-check: ## build the container image without an engine, and run it (needs root)
	bash scripts/image.sh

fuzz: ## fuzz every parser for a minute each (needs a nightly compiler and cargo-fuzz)
	bash scripts/fuzz.sh

.PHONY: help demo test twilio-spec check deny gen bless dashboard screenshots bench measure load fuzz image-check
