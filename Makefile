# The commands of this project. `make install` is made by the others as needed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
# tests at a time: each on one thread; JOBS= runs them one after another
JOBS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA ?= $(or $(CELLKIN_DATA),../shared/data)
WEIGHTS ?= $(or $(CELLKIN_WEIGHTS),../shared/weights)
PATHS := cellkin annotator retrieval index tests benchmarks docs

export CELLKIN_DATA := $(DATA)
export CELLKIN_WEIGHTS := $(WEIGHTS)

.PHONY: help install demo test lint types pytest bench docs clean

help:
	@echo "make install   the project and its tools in $(VENV)"
	@echo "make demo      the whole path on sample cells, then the annotator (REAL=1 downloads cells)"
	@echo "make test      lint, types and every test"
	@echo "make lint      ruff and mypy alone"
	@echo "make bench     the measurements of benchmarks/RESULTS.md"
	@echo "make docs      the generated pages: docs/cli.md, docs/settings.md"

install: $(STAMP)

# The stamp is newer than what was asked for, so a second `make install` does nothing.
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: CellKin needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1);" \
	    "name another with 'make install PYTHON=python3.12'" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "make: $(PYTHON) cannot make an environment;" \
	    "install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[dev]'
	@$(BIN)/python -c 'import torch, torchvision' || { \
	  echo "make: torch and torchvision are installed but do not start together (see above);" \
	    "install a pair that belongs together, then repeat: see 'The two large packages'" \
	    "in docs/dependencies.md" >&2; exit 1; }
	@touch $@

demo: install
	$(BIN)/cellkin demo $(if $(REAL),--real)

test: install lint types pytest

lint: install
	$(BIN)/ruff check $(wildcard $(PATHS))
	$(BIN)/ruff format --check $(wildcard $(PATHS))

types: install
	$(BIN)/mypy

pytest: install
	$(BIN)/python -m pytest $(if $(JOBS),-n $(JOBS) --dist worksteal) $(ARGS)

bench: install
	$(BIN)/python -m benchmarks

docs: install
	$(BIN)/python docs/generate.py

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
