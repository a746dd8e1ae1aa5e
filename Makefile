# The commands of this repository; `make help` lists them. Anything longer than a few lines is a script in hack/.
#
# What a first run costs, in seconds on two cores that were not quite idle; the second costs next to nothing. The tools
# are kept outside the clone, see hack/lib.sh, so a fresh clone on the same machine pays only for cargo's part.
#
#   check                          test                              image
#     clippy, all targets   55       kube-apiserver           238      musl, dev profile       97
#     the aws-lc-rs tree    24       kubectl, after that       23      musl, release          310
#     cargo-deny            43       etcd                      28
#     docs, formatting       6       registry (distribution)   56
#                                    crane                      3
#                                    download of modules       32
#                                    Debian packages           20
#                                    tests, dev profile       140
#                                    control plane, ready       3
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

DENY_VERSION := 0.20.2
FUZZ_VERSION := 0.13.2

.PHONY: help run test check audit bench e2e certs manifests image fuzz deps clean

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name words; do printf '  %-10s %s\n' "$$name" "$$words"; done

run: ## build and serve the example world on this machine, no cluster needed
	cargo run -- serve --standalone manifests/examples

test: deps ## every test, against real API servers and registries; installs what they need
	cargo test --locked --doc
	cargo test --locked --lib --bins --examples --tests

check: ## formatting, lints, docs, dependency policy, generated files; no test
	cargo fmt --check
	hack/debian.sh shellcheck
	shellcheck -x hack/*.sh certs/*.sh .ci/run
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	hack/guards.sh
	"$$(hack/cargo-tool.sh cargo-deny $(DENY_VERSION))" --locked check --deny warnings bans licenses sources
	hack/generated.sh check

audit: ## known vulnerabilities in dependencies (fetches the RustSec database)
	"$$(hack/cargo-tool.sh cargo-deny $(DENY_VERSION))" --locked check advisories

bench: ## measure, beside the peers; see benches/README.md
	hack/bench.sh

e2e: deps ## only the tests against a real control plane
	cargo test --locked --test hatchway cluster::

certs: ## a development CA and server certificate in certs/dev
	certs/make.sh

manifests: ## write the files that are generated from the code (hack/generated.list)
	hack/generated.sh write

image: ## an OCI layout of a static binary in target/image, no daemon needed
	hack/image.sh

fuzz: ## libFuzzer, by hand, on nightly: make fuzz TARGET=review SECONDS=60
	@[[ -n "$(TARGET)" ]] || { echo "say which: make fuzz TARGET=... (one of: $$(cd fuzz && ls fuzz_targets | sed 's/\.rs$$//' | xargs))" >&2; exit 1; }
	PATH="$$(dirname "$$(hack/cargo-tool.sh cargo-fuzz $(FUZZ_VERSION))"):$$PATH" cargo +nightly fuzz run $(TARGET) -- -max_total_time=$(or $(SECONDS),60)

deps: ## install or build what `test` needs, into the cache outside target/
	hack/parts.sh install

clean: ## remove what was built here (the cache outside the clone stays)
	cargo clean
	rm -rf .hatchway certs/dev
