# Everything a person does with this repository. `make` alone lists it.
# On a fresh machine: cargo, a C compiler and make are enough for `make run`; the rest is fetched where it can be.

CARGO ?= cargo
DEV := deploy/dev
.DEFAULT_GOAL := help
.PHONY: help run demo test test-faults check bench fmt lint docs kafka-up kafka-down pg-up pg-down

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## "; print "Drumbeat. Targets:" } /^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## everything in one process on embedded defaults: a demo first, then it stays up
	$(CARGO) run -p drumbeat -- up --demo

demo: ## the same demo, then exit
	$(CARGO) run -p drumbeat -- demo

test: ## all tests, on a real Kafka and PostgreSQL of their own
	@$(DEV)/test.sh

test-faults: ## the whole fault suite: kills, outages, full disks, jumping clocks (an hour; SEED=N repeats one)
	@DRUMBEAT_FAULTS=full $(DEV)/test.sh $$($(DEV)/features.sh) -p drumbeat -p e2e --test e2e faults:: -- --nocapture --test-threads=1

check: ## what CI checks beside the tests: format, lints, licences, contract, docs
	@$(DEV)/check.sh

bench: ## figures of this machine, a quarter of an hour (release build; BENCH="dispatch --quick" says what)
	@$(DEV)/bench.sh $(BENCH)

fmt: ## format the code
	$(CARGO) fmt --all

lint: ## clippy alone, as `check` runs it
	@$(DEV)/check.sh clippy

docs: ## the API documentation, warnings refused
	@$(DEV)/check.sh docs

kafka-up: ## start a local Kafka broker, print its address
	@$(DEV)/kafka.sh up

kafka-down: ## stop it, keep its data
	@$(DEV)/kafka.sh down

pg-up: ## start a local PostgreSQL, print its address
	@$(DEV)/postgres.sh up

pg-down: ## stop it, keep its data
	@$(DEV)/postgres.sh down
