# `make` lists the targets. Each does its own set-up.
.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-plain test-timescale lint types bench docs-check clean
PY := .venv/bin/python
# Many tests wait for servers of their own, so more jobs than cores.
JOBS ?= 4
PARALLEL = -n $(JOBS) --dist loadfile --no-loadscope-reorder

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## virtual environment with the locked packages (.venv)
	@.ci/setup

demo: setup ## everything on this machine with a sample world; Ctrl-C stops
	@.venv/bin/chuantou demo $(ARGS)

up: setup ## everything on this machine for real use; data is kept
	@.venv/bin/chuantou up $(ARGS)

test: test-plain test-timescale ## the whole suite on plain PostgreSQL, then what touches the store on TimescaleDB

test-plain: setup ## the whole suite on plain PostgreSQL
	@$(PY) tests/timescale_store.py
	CHUANTOU_TEST_STORE=plain $(PY) -m pytest $(PARALLEL) -rs $(ARGS)

test-timescale: setup ## what touches the store, on TimescaleDB
	@$(PY) tests/timescale_store.py
	CHUANTOU_TEST_STORE=timescale $(PY) -m pytest $(PARALLEL) -rs tests/integration $(ARGS)

lint: setup types ## ruff check, ruff format, mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: setup ## mypy --strict
	$(PY) -m mypy

bench: setup ## the rates beside the physical limit of this machine, in one run
	@.venv/bin/chuantou bench ingest $(ARGS)

docs-check: setup ## links, settings and migrations are documented
	$(PY) -m pytest tests/contract

clean: ## remove .venv, demo data and caches; keeps the data of `up`
	rm -rf .venv .chuantou/demo .chuantou/demo.lock .mypy_cache .ruff_cache build *.egg-info
