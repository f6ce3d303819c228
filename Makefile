# Two commands: `make repro` and `make test`. Each builds the environment first.

PYTHON ?= python3
# The versions that requires-python in pyproject.toml allows.
PYTHONS := 3.11 3.12 3.13
VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
LAUNCHERS := $(VENV)/.launchers
BENCHMARKS := $(VENV)/.benchmarks

.DEFAULT_GOAL := help
.PHONY: help env launchers rivals repro demo report draw lecture verify share sweep ui quick test test-slow test-pythons bench check format lock clean
# One process per core; each test file in one process, so that its fixtures are made once; files in
# the order of tests/conftest.py.
PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder
# Tests that start no servers and few processes.
UNITS := $(addprefix tests/,base data draw engine lecture network records results) \
  $(addprefix --ignore tests/,data/test_sources.py engine/test_portable.py)
# Recipes, and the commands in dvc.yaml, use the programs of the environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true

help: ## explain the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

env: $(LOCKED) ## build the environment in .venv from requirements.lock

# The environment's programs contain the path of their folder, so it is built again after a move.
ifneq ($(shell cat $(LOCKED) 2>/dev/null),$(CURDIR))
$(LOCKED): FORCE
endif
FORCE:

# uv needs seconds where pip needs a minute. Both check every hash and compile to bytecode.
INSTALL := $$(command -v uv >/dev/null && echo uv pip install --python $(BIN)/python --compile-bytecode || \
  echo $(BIN)/python -m pip install) --quiet
$(LOCKED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] not in "$(PYTHONS)".split())' || \
	  { echo "error: $(PYTHON) is none of Python $(PYTHONS); name one, as in: make PYTHON=python3.13 $(or $(MAKECMDGOALS),env)" >&2; exit 1; }
	@echo "building the environment in $(VENV) with $$($(PYTHON) --version)"
	@test "$$(cat $(LOCKED) 2>/dev/null)" = "$(CURDIR)" && $(BIN)/python -c '' 2>/dev/null || \
	  { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv || \
	  echo "uv could not be installed; pip takes longer"
	@echo "installing the $$(grep -c '^[A-Za-z]' requirements.lock) packages of requirements.lock (up to two minutes)"
	@$(INSTALL) --require-hashes --requirement requirements.lock || \
	  { echo "error: the packages of requirements.lock could not be installed; is a package index reachable?" >&2; exit 1; }
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@if ! git rev-parse --is-inside-work-tree >/dev/null 2>&1; then \
	  $(BIN)/dvc config --local core.no_scm true; fi
	@echo "$(CURDIR)" > $(LOCKED)

launchers: $(LAUNCHERS) ## add SLURM, Ray and Optuna to the environment

$(LAUNCHERS): requirements-launchers.lock $(LOCKED)
	@$(INSTALL) --require-hashes --requirement requirements-launchers.lock
	@touch $(LAUNCHERS)

rivals: $(BENCHMARKS) ## add PyTorch and JAX to the environment, for make bench

$(BENCHMARKS): pyproject.toml $(LOCKED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
	  --editable '.[benchmarks]'
	@touch $(BENCHMARKS)

repro: env ## run the experiment of params.yaml; if MNIST cannot be obtained, run the demo instead
	@python -m pipeline demo --if-needed

demo: env ## run the whole pipeline on scikit-learn's 8x8 digits, in demo/
	@python -m pipeline demo

report: env ## write reports/index.html from the results in this folder
	@python -m pipeline report && echo reports/index.html

draw: env ## write reports/draw.html, a page to draw a digit on, from the networks in runs/
	@python -m pipeline draw

lecture: env ## draw the lecture's figures, train its networks on MNIST (about ten minutes)
	@dvc repro lecture studies/dvc.yaml && python -m pipeline lecture

verify: env ## compute the committed results again and compare every byte
	@python -m pipeline verify $(ARGS)

share: env ## write the result as one zip file that others can check and cite
	@python -m pipeline share $(ARGS)

sweep: env ## train a sweep, as in: make sweep ARGS="preprocess=raw,whiten seed='range(10)'"
	@python -m pipeline train $(ARGS)

ui: env ## browse the runs in MLflow
	@python -m pipeline ui

test: env ## run all tests except the long ones (about 4 minutes)
	@pytest -m "not slow" $(PARALLEL)

test-slow: env ## run the long tests: killed processes, failing writes, whole pipelines
	@pytest -m slow $(PARALLEL)

test-pythons: env ## run demo and tests on each installed Python 3.11 to 3.13, compare results (6 minutes each)
	@python -m tests.pythons $(ARGS)

bench: $(BENCHMARKS) ## compare training time with PyTorch, JAX and scikit-learn (about 40 minutes)
	@python -m benchmarks.training $(ARGS)
	@python -m benchmarks.peak

quick: env ## check format, style and types, run the unit tests (within a minute)
	@ruff format --check && ruff check && mypy && \
	  pytest -q -m "not slow and not checkout" $(UNITS) tests/project/test_architecture.py $(PARALLEL)

check: env ## check format, style and types
	@ruff format --check && ruff check && mypy

format: env ## format the code
	@ruff format && ruff check --fix

# One version of each package for all Python versions. The launchers' lock file comes first and
# constrains the other, so that both name the same versions.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate pyproject.toml
lock: env ## renew the lock files within the ranges of pyproject.toml
	@$(COMPILE) --upgrade --extra dev --extra slurm --extra ray --extra optuna --output-file requirements-launchers.lock
	@$(COMPILE) --upgrade --extra dev --constraint requirements-launchers.lock --output-file requirements.lock

clean: ## delete what can be computed or installed again; data/given and records/ stay
	@rm -rf $(VENV) demo sweeps runs data/raw data/split data/preprocessor.npz data/labels.npz \
	  reports/figures reports/index.html \
	  .mypy_cache .pytest_cache .ruff_cache .hypothesis
