# A thin front for meson: `make help` lists what it does. Everything is made in build/ and, for the
# other compilers and sanitizers, in folders beside it (build-clang/, build-asan/, build-fuzz/).

BUILD ?= build
SETUP ?= tools/setup
ONLY ?=

.PHONY: help setup configure build run stop replay test test-slow bench clean
.DEFAULT_GOAL := help

help:
	@echo 'make run               build, serve a pool of this machine, and show jobs at work in it'
	@echo 'make stop              end that pool'
	@echo 'make replay            replay the sample pool in examples/ and write a report'
	@echo 'make test              everything that must hold, in every build (ten minutes)'
	@echo 'make test-slow         long simulations and fuzzing'
	@echo 'make build             the program: $(BUILD)/granary'
	@echo 'make bench ONLY=word   the benchmarks whose name holds the word; without ONLY all'
	@echo 'make setup             install the Debian packages that are missing'
	@echo 'make clean             remove all build folders'

setup:
	@$(SETUP)

# What meson says is shown only if it fails.
configure: setup
	@test -f $(BUILD)/build.ninja || { echo 'configuring $(BUILD): gcc, release'; \
	    out=$$(CC=gcc meson setup $(BUILD) -Dwerror=true 2>&1) || { echo "$$out"; exit 1; }; }

build: configure
	@ninja -C $(BUILD) granary

# Starts the pool with this machine in it, or finds the one that serves already, and shows it work.
run: build
	@tools/first-day --build $(BUILD)

# Ends what `make run` started, jobs and all. What it wrote stays in $(BUILD)/pool.
stop:
	@test ! -x $(BUILD)/granary || $(BUILD)/granary serve --end --stop-jobs --state $(BUILD)/pool
	@test ! -d $(BUILD)/pool-queue || $(BUILD)/granary serve --end --stop-jobs --state $(BUILD)/pool-queue

replay: build
	$(BUILD)/granary replay --nodes examples/pool/nodes.csv --jobs examples/pool/jobs.csv \
	    --policy all --queue backfill --report $(BUILD)/report.html
	@echo 'the report is in $(BUILD)/report.html'

test: setup
	@tests/run --build $(BUILD)

test-slow: setup
	@tests/run --slow --build $(BUILD)

bench: configure
	@ninja -C $(BUILD)
	@tools/bench --build $(BUILD) --only '$(ONLY)'

clean: stop
	rm -rf $(BUILD) $(BUILD)-clang $(BUILD)-asan $(BUILD)-fuzz
