# Two commands do everything:  make demo   make test
# `make help` lists the rest.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test test-homeassistant build lint features interop-deps deb deb-test reproducible arm64 arm64-test board-test fuzz chaos soak-calls soak-media outage bench bench-calls bench-preview bench-memory bench-media bench-echo bench-chat bench-control bench-boot screenshots clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s $$'\t'

demo: ## install what is missing, build, ring a doorbell end to end
	@scripts/setup demo
	cargo build
	target/debug/cubelet demo

build: ## release binary in target/release/cubelet
	@scripts/setup demo
	cargo build --release

test: ## install what is missing, run every check and every test
	@scripts/setup test
	@$(MAKE) --no-print-directory lint interop-deps
	cargo nextest run
	@$(MAKE) --no-print-directory features

HA_ROOT ?= $(CURDIR)/target/homeassistant/root

test-homeassistant: interop-deps ## a device in a real Home Assistant; as root, about 5 minutes the first time
	tests/interop/homeassistant/prepare $(HA_ROOT)
	cargo build
	cd tests/interop && HA_ROOT=$(HA_ROOT) CUBELET_BIN=$(CURDIR)/target/debug/cubelet node homeassistant.mjs

lint: ## formatting and clippy
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

deb: ## the Debian package in target/debian; PROFILE=dev for a quick one, release-small for small boards, TARGET= for another machine
	@scripts/deb "$(or $(PROFILE),release)" $(TARGET)

deb-test: ## install, upgrade, remove and purge the package in a Debian root; type the guide on a booted one; needs root
	@rm -f target/debian/cubelet_*.deb
	@scripts/deb "$(or $(PROFILE),release)"
	lintian --allow-root --fail-on error target/debian/cubelet_*.deb
	@scripts/deb-test target/debian/cubelet_*.deb

reproducible: ## the package built twice in different places is the same byte by byte; PROFILE=release for the large one
	@scripts/reproducible "$(or $(PROFILE),release-small)"

arm64: ## the Debian package for 64-bit ARM boards, built on a PC; needs root; PROFILE=
	@PROFILE="$(or $(PROFILE),release)" scripts/arm64

arm64-test: ## the ARM program under qemu-user: devices, doctor, hub, device, demo
	@PROFILE="$(or $(PROFILE),release)" scripts/arm64
	@tests/arm64/run "$(or $(PROFILE),release)"

board-test: ## a virtual ARM board: package installed, a call, camera pulled, killed, power cut; needs root
	cargo build
	@rm -f target/debian/cubelet_*_arm64.deb
	@PROFILE="$(or $(PROFILE),release)" scripts/arm64
	@scripts/board
	@tests/board/run target/debian/cubelet_*_arm64.deb

features: ## the hub builds without GStreamer, the device without the hub and without its console
	cargo check --no-default-features --features hub
	cargo check --no-default-features --features media
	cargo check --no-default-features --features media,console

interop-deps: ## npm and Python packages of the interop tests
	@cd tests/interop && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --silent; }
	@cd tests/interop && { [ .venv/installed -nt slixmpp/requirements.txt ] && [ .venv/installed -nt aiortc/requirements.txt ] || { \
		python3 -m venv --clear .venv \
		&& .venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps -r slixmpp/requirements.txt -r aiortc/requirements.txt \
		&& touch .venv/installed; }; }

chaos: ## 10,000 messages each way while lines are cut and everything is killed; CHAOS_SEED= repeats a run
	CHAOS_MESSAGES=$${CHAOS_MESSAGES:-10000} CHAOS_PACE_MS=$${CHAOS_PACE_MS:-10} CHAOS_SEED=$${CHAOS_SEED:-$$RANDOM} \
		cargo test --test chaos -- --nocapture every_message

SOAK_CALLS ?= 1000

soak-calls: ## a thousand calls in one process; says what threads, files and memory do; SOAK_CALLS=
	SOAK_CALLS=$(SOAK_CALLS) cargo test --test engine -- --nocapture calls_one_after_the_other

soak-media: ## one call of an hour; says what threads, files and memory do; SOAK_MINUTES=
	SOAK_MINUTES=$(or $(SOAK_MINUTES),60) cargo test --test engine -- --ignored --nocapture a_long_call

outage: ## the broker away for ten minutes: nothing lost, what waiting costs; OUTAGE_SECONDS=
	OUTAGE_SECONDS=$(or $(OUTAGE_SECONDS),600) cargo test --test control -- --ignored --nocapture after_an_outage

FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= stream frame stanza call_signal privacy scram address enrolment data_channel rest_form mqtt_command \
	rtsp sdp turn picture recording

# Our code has no unsafe, so what is looked for are panics and broken properties: no sanitizer, and
# with RUSTC_BOOTSTRAP no nightly compiler.
fuzz: ## each fuzz target for FUZZ_SECONDS (default 60); needs `cargo install cargo-fuzz`
	@for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/corpus/$$target; \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none --features hub,media $$target \
			fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 || exit 1; \
	done

bench: bench-calls bench-preview bench-memory bench-media bench-echo bench-chat bench-control bench-boot ## every benchmark

bench-calls: interop-deps ## ring to every phone ringing, answer to picture and sound; 50 calls, beside the SDK; CALLS=
	cargo build --release
	@bench/calls $(CALLS)

bench-preview: interop-deps ## bell to the moving picture before the answer, 20 rings
	cargo build --release
	@bench/preview

bench-memory: ## resident memory of an idle daemon, before and after media
	cargo build --release
	@bench/memory

bench-media: ## what a call's media costs and how late its pictures are, beside webrtcbin
	@scripts/setup bench
	@bench/media/run

bench-echo: ## what is left of the loudspeaker's sound in the microphone's, in a synthetic room
	@scripts/setup bench
	@cargo bench --bench echo

bench-chat: interop-deps ## hub beside Prosody and ejabberd, device beside other clients
	@scripts/setup bench
	cargo build --release
	@bench/chat/run

bench-boot: ## start to ready and online, back after the site was away, what an idle daemon costs
	@scripts/setup bench
	cargo build --release
	@bench/boot

bench-control: ## orders over MQTT: command to reply, ring to state, a thousand devices
	@scripts/setup bench
	ulimit -n 20000 && cargo bench --bench control_load

screenshots: interop-deps ## take the README's pictures again
	cargo build
	cd tests/interop && CUBELET_BIN=$(CURDIR)/target/debug/cubelet node screenshots.mjs

clean: ## remove everything built
	cargo clean
	rm -rf web/node_modules web/dist tests/interop/node_modules tests/interop/.venv
