# Three commands do it all:
#
#   make course    open the course in JupyterLab       PORT=8888, NO_BROWSER=1, ONCE=1 (stop as soon as it answers)
#   make test      check everything                    PYTEST_ARGS="-k forward" for a part of it
#   make bench     measure us beside the peers       MODE=full for all of it, DATA=DIR (the folder that holds MNIST/raw)
#
# Each first makes a virtual environment (the first two in .venv), and is quick when nothing changed.

PYTHON ?= python3
PORT ?= 8888
VENV ?= .venv
BENCH ?= .bench

BIN := $(VENV)/bin
METADATA := settings.ini setup.py pyproject.toml
MIN_PYTHON := $(shell sed -n 's/^min_python *= *//p' settings.ini)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -e
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal
yes = $(filter-out 0,$(1))

.PHONY: help course test bench lint unit notebooks browser export clean-notebooks picture dist
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile
	@echo "also: make lint | unit | notebooks | browser (parts of test), export, clean-notebooks, picture, dist"

course: $(VENV)/.course
	$(BIN)/diffusion-math course nbs --port $(PORT) $(if $(call yes,$(NO_BROWSER)),--no-browser) $(if $(call yes,$(ONCE)),--once)

test: lint
	$(PYTEST) $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .

unit: $(VENV)/.dev
	$(PYTEST) --ignore=tests/notebooks --ignore=tests/browser $(PYTEST_ARGS)

notebooks: $(VENV)/.dev
	$(PYTEST) tests/notebooks $(PYTEST_ARGS)

browser: $(VENV)/.dev
	$(PYTEST) tests/browser $(PYTEST_ARGS)

# Its own environment, with the peers from PyPI; one that fails to install is reported, and the others are measured.
bench: $(BENCH)/.peers
	$(BENCH)/bin/python benchmarks/run.py $(if $(filter full,$(MODE)),--full) $(if $(DATA),--data "$(DATA)") $(BENCH_ARGS)

$(BENCH)/.peers: $(METADATA) benchmarks/peers.py
	$(MAKE) --no-print-directory VENV=$(BENCH) $(BENCH)/.dev
	$(BENCH)/bin/python benchmarks/peers.py
	@touch $@

# The modules are written from the notebooks, never by hand.
export: $(VENV)/.dev
	$(BIN)/ruff format --quiet nbs
	$(BIN)/nbdev-export

clean-notebooks: $(VENV)/.dev
	$(BIN)/nbdev-clean

# Who imports whom, drawn from the code: the picture in CONTRIBUTING.md.
picture: $(VENV)/.dev
	$(BIN)/python -m tests.imports

dist: $(VENV)/.dev
	$(BIN)/python -m build

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found; name one with: make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; need = "$(MIN_PYTHON)"; sys.exit(sys.version_info < tuple(map(int, need.split("."))) and f"Python {need} or newer is needed, and {sys.executable} is {sys.version.split()[0]}; name another with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.course: $(METADATA) | $(VENV)/.made
	@echo "Installing the course into $(VENV) (a few minutes the first time) ..."
	$(INSTALL) ".[course]"
	@touch $@

$(VENV)/.dev: $(METADATA) | $(VENV)/.made
	@echo "Installing the course and its tests into $(VENV) (a few minutes the first time) ..."
	$(INSTALL) ".[dev]"
	@touch $@ $(VENV)/.course
