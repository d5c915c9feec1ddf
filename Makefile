# The ways into Watchkeep. `make help` lists them; each recipe is a script or one command.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Build products live outside the clone, so that a fresh clone starts warm.
export WATCHKEEP_CACHE ?= $(HOME)/.cache/watchkeep
export CARGO_TARGET_DIR ?= $(WATCHKEEP_CACHE)/target

# Empty when the toolchain of rust-toolchain.toml is installed; an installed stand-in otherwise.
PICKED_TOOLCHAIN := $(if $(RUSTUP_TOOLCHAIN),,$(shell scripts/pick-toolchain.sh))
ifneq ($(PICKED_TOOLCHAIN),)
export RUSTUP_TOOLCHAIN := $(PICKED_TOOLCHAIN)
endif

# `make run`
LISTEN ?= 127.0.0.1:8001
BACKEND ?= rocksdb
SERVER_KUBECONFIG ?= target/watchkeep.kubeconfig
ARGS ?=

# A server that keeps objects on the disk links RocksDB; one that does not compiles no C++.
ifeq ($(BACKEND),memory)
RUN_CARGO := cargo
RUN_FLAGS :=
else ifeq ($(BACKEND),etcd3)
RUN_CARGO := cargo
RUN_FLAGS := --features etcd3
else
RUN_CARGO := scripts/with-rocksdb.sh cargo
RUN_FLAGS := --features rocksdb,jemalloc
endif

# `make soak` and `make fuzz`
SOAK_MINUTES ?= 10
FUZZ_SECONDS ?= 60

# `make bench`, e.g. BENCH_ARGS="-- list"
BENCH_ARGS ?=

.PHONY: help
help: ## List the targets
	@echo 'usage: make TARGET [VARIABLE=value …]'
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)$$/  \1\t\2/p' Makefile | expand -t 16

.PHONY: run
run: setup ## Build and start the server [LISTEN=…] [BACKEND=rocksdb|memory|etcd3] [SERVER_KUBECONFIG=…] [ARGS="…"]
	@mkdir -p '$(dir $(SERVER_KUBECONFIG))'
	@echo 'once it is ready:  kubectl --kubeconfig=$(SERVER_KUBECONFIG) get namespaces'
	@$(RUN_CARGO) run --release -p watchkeep-server $(RUN_FLAGS) --bin watchkeep -- serve \
		--listen '$(LISTEN)' --backend '$(BACKEND)' --kubeconfig '$(SERVER_KUBECONFIG)' $(ARGS)

.PHONY: test
test: setup ## Run every suite, and count the tests [SUITES="fmt clippy …"]
	@scripts/test.sh

.PHONY: soak
soak: setup kubectl etcd ## Run the long tests [SOAK_MINUTES=10] [BACKEND=rocksdb|memory|etcd3] [WATCHKEEP_KILLS=…]
	@scripts/with-rocksdb.sh cargo build -p watchkeep-server --features rocksdb,etcd3,jemalloc --bin watchkeep
	@WATCHKEEP_TEST_BACKEND='$(BACKEND)' WATCHKEEP_SOAK_MINUTES='$(SOAK_MINUTES)' \
		scripts/with-rocksdb.sh cargo test -p watchkeep-tests -p watchkeep-proof \
		--features watchkeep-proof/rocksdb,watchkeep-proof/etcd3 -- soak --nocapture --test-threads=1

.PHONY: fuzz
fuzz: setup ## Run each fuzz target for a while [FUZZ_SECONDS=60] [FUZZ_TARGETS="…"]
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' scripts/fuzz.sh

.PHONY: bench
bench: setup ## Run the benchmarks [BENCH_ARGS="…"]
	@cargo bench -p watchkeep-benches $(BENCH_ARGS)

.PHONY: bench-rocksdb
bench-rocksdb: setup ## Measure the RocksDB backend on a disk, some 15 minutes [BENCH_ARGS="-- --quick"]
	@scripts/with-rocksdb.sh cargo bench -p watchkeep-benches --features rocksdb --bench rocksdb $(BENCH_ARGS)

.PHONY: bench-cacher
bench-cacher: setup ## Measure the watch cache over memory and RocksDB, some 10 minutes [BENCH_ARGS="-- --quick"]
	@scripts/with-rocksdb.sh cargo bench -p watchkeep-benches --features rocksdb --bench cacher $(BENCH_ARGS)

.PHONY: bench-etcd3
bench-etcd3: setup ## Measure the etcd3 backend beside etcd's own CPU, a minute or two
	@scripts/setup-etcd.sh
	@cargo bench -p watchkeep-benches --features etcd3 --bench etcd3

.PHONY: load
load: setup ## Measure the built server over HTTP [BACKEND=rocksdb|memory] [ARGS="list --objects 10000"]
	@$(RUN_CARGO) build --release -p watchkeep-server $(RUN_FLAGS) --bin watchkeep
	@cargo build --release -p watchkeep-load
	@'$(CARGO_TARGET_DIR)/release/watchkeep-bench' $(or $(ARGS),--help) --start '$(CARGO_TARGET_DIR)/release/watchkeep' \
		--backend '$(BACKEND)' --dir '$(CARGO_TARGET_DIR)'

.PHONY: fmt
fmt: ## Format the code
	@cargo fmt --all

.PHONY: lint
lint: setup ## Run the checks that need no test: format, generated tables, clippy, scripts, documentation
	@SUITES='fmt scripts generated clippy rocksdb clippy-all-features features doc' scripts/test.sh

.PHONY: doc
doc: setup ## Build the documentation of the crates
	@RUSTDOCFLAGS='-D warnings' scripts/with-rocksdb.sh cargo doc --workspace --no-deps --all-features
	@echo 'open $(CARGO_TARGET_DIR)/doc/watchkeep_storage/index.html'

.PHONY: generate
generate: setup ## Write the generated tables anew
	@cargo run -q -p xtask -- generate

.PHONY: kubectl
kubectl: ## Find and fetch the kubectls that the end-to-end tests run
	@scripts/setup-kubectl.sh

.PHONY: etcd
etcd: ## Fetch the etcd that tests of its backend run
	@scripts/setup-etcd.sh

.PHONY: setup
setup: ## Install what a build needs and is missing: a C linker
	@scripts/setup-build.sh

.PHONY: rocksdb
rocksdb: setup ## Build RocksDB once, for every build that links it
	@scripts/setup-rocksdb.sh

.PHONY: clean-cache
clean-cache: ## Remove the build products, RocksDB and the fetched kubectls outside the clone
	@test -n '$(WATCHKEEP_CACHE)' && rm -rf -- '$(WATCHKEEP_CACHE)'
	@echo 'removed $(WATCHKEEP_CACHE)'
