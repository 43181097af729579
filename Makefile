# `make` lists the targets. Two do everything on a fresh machine with Rust and Node: `make demo`, `make test`.

SHELL := bash
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: ## play a whole call: no account, no network, nothing to set up (DEMO="--auto" plays one to its end)
	cargo build --release --package phony
	target/release/phony demo $(DEMO)

test: ## install what the tests need and run everything
	bash scripts/test.sh

twilio-spec: ## bring Twilio's own description of its API, which tests hold every request to
	bash -c 'source scripts/lib.sh && twilio_description'

check: ## format, lints, purity of the pure crates, docs, generated files: fast, before every commit
	bash scripts/check.sh

deny: ## licences, sources, duplicates and advisories of the dependencies (installs cargo-deny: minutes)
	bash scripts/deny.sh

gen: ## regenerate what is generated: openapi.json, the dashboard's types
	bash scripts/gen.sh

bless: ## accept the outputs of the golden calls as they are now, then read the diff
	BLESS=1 cargo test --package phony-call --test scripts

dashboard: ## build the dashboard alone
	cd dashboard && npm ci --no-audit --no-fund && npm run build

screenshots: ## the pictures of the documentation, from recorded events (PICTURES=FOLDER makes all of them, of every page, there)
	bash scripts/screenshots.sh $(PICTURES)

bench: ## time the call, the parsers and writers
	cargo bench --package phony-call --package phony-wire

measure: ## what takes minutes: 100,000 kept calls, 1,000 calls with a store, a rolling restart under 300
	cargo nextest run --release --package phony --profile measure --run-ignored only --no-capture

load: ## 1,000 relay calls on loopback, beside a bare two-socket copy
	cargo build --release --package phony
	target/release/phony load --floor $(LOAD)

image-check: ## build the container image without an engine, and run it (needs root)
	bash scripts/image.sh

fuzz: ## fuzz every parser for a minute each (needs a nightly compiler and cargo-fuzz)
	bash scripts/fuzz.sh

.PHONY: help demo test twilio-spec check deny gen bless dashboard screenshots bench measure load fuzz image-check
