# These do it all:
#
#   make course    open the course in JupyterLab       PORT=8888, NO_BROWSER=1, WIDE=1 (prose as wide as the window), ONCE=1 (stop as soon as it answers)
#   make test      check everything                    PYTEST_ARGS="-k forward" for a part of it; FULL=1: the long tests too, and train as a reader does
#   make site      the whole course as a website, in site/     make site-check: every page of it, in a browser   ONLY=03_ for a part, PACE=1: and quick enough
#   make bench     measure us beside the peers       MODE=full for all of it, DATA=DIR (the folder that holds MNIST/raw)
#
# Each first makes a virtual environment (all but the last in .venv), and is quick when nothing changed.

PYTHON ?= python3
PORT ?= 8888
VENV ?= .venv
BENCH ?= .bench

BIN := $(VENV)/bin
METADATA := settings.ini setup.py pyproject.toml
MIN_PYTHON := $(shell sed -n 's/^min_python *= *//p' settings.ini)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINTS) -e
yes = $(filter-out 0,$(1))
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal --durations=10 $(if $(call yes,$(FULL)),,-m "not long")
UNIT := --ignore=tests/notebooks --ignore=tests/browser

# Each kernel and each command that a test starts imports the package: compiled once, it loads in half the time.
unexport PYTHONDONTWRITEBYTECODE
ifneq ($(call yes,$(FULL)),)
export DIFFUSION_MATH_FULL = 1
endif

.PHONY: help course test site site-check bench lint unit notebooks browser test-machines test-python mutants minutes stills film export clean-notebooks dist
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile
	@echo "also: make lint | unit | notebooks | browser (parts of test), export, clean-notebooks, dist,"
	@echo "      test-machines (as on other processors), test-python PY=python3.13 (LOWEST=1), mutants CHAPTER=03 (MODULE=1, BRIEF=1), minutes, stills, film"

course: $(VENV)/.course
	$(BIN)/diffusion-math course nbs --port $(PORT) $(if $(call yes,$(NO_BROWSER)),--no-browser) $(if $(call yes,$(WIDE)),--wide) $(if $(call yes,$(ONCE)),--once)

test: lint
	$(PYTEST) $(PYTEST_ARGS)

# The course as a website, from the notebooks as they are stored. site-check opens each of its pages;
# PACE=1 also bounds how quick they are, which wants a machine that does nothing else.
site: $(VENV)/.dev
	$(BIN)/python -m website site

site-check: site
	$(BIN)/python -m website.check site $(if $(ONLY),--only $(ONLY)) $(if $(call yes,$(PACE)),--pace)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .

unit: $(VENV)/.dev
	$(PYTEST) $(UNIT) $(PYTEST_ARGS)

notebooks: $(VENV)/.dev
	$(PYTEST) tests/notebooks $(PYTEST_ARGS)

browser: $(VENV)/.dev
	$(PYTEST) tests/browser $(PYTEST_ARGS)

# What computes, tested with the instructions, libraries, threads and seeds of other machines. ONE=1: one
# of these, and a ninth of the tests, by the commit.
test-machines: $(VENV)/.dev
	$(BIN)/python -m tests.machines $(if $(call yes,$(ONE)),--one) $(if $(call yes,$(ALL)),--all) -n auto --dist worksteal --quiet $(PYTEST_ARGS)

# The unit tests and one chapter with another Python, in an environment of its own; LOWEST=1: with the lowest versions
# that settings.ini allows.
PY ?= python3.13
OTHER = .python/$(notdir $(PY))$(if $(call yes,$(LOWEST)),-lowest)
test-python:
	@mkdir -p $(OTHER)
	$(if $(call yes,$(LOWEST)),$(PY) tests/lowest.py > $(OTHER)/constraints.txt)
	$(MAKE) --no-print-directory PYTHON=$(PY) VENV=$(OTHER)/venv CONSTRAINTS="$(if $(call yes,$(LOWEST)),-c $(OTHER)/constraints.txt)" $(OTHER)/venv/.dev
	$(OTHER)/venv/bin/python -m pytest -n auto --dist worksteal --durations=10 $(UNIT) $(PYTEST_ARGS)
	DIFFUSION_MATH_CHROMIUM= $(OTHER)/venv/bin/python -m pytest tests/notebooks/test_run.py -k 02_gaussians

# Each equation of a chapter bent at one place: what did no check notice?
CHAPTER ?= 03
mutants: $(VENV)/.dev
	$(BIN)/python -m tests.mutants $(CHAPTER) $(if $(call yes,$(MODULE)),--module) $(if $(call yes,$(BRIEF)),--brief)

# Its own environment, with the peers from PyPI; one that fails to install is reported, and the others are measured.
bench: $(BENCH)/.peers
	$(BENCH)/bin/python benchmarks/run.py $(if $(filter full,$(MODE)),--full) $(if $(DATA),--data "$(DATA)") $(BENCH_ARGS)

$(BENCH)/.peers: $(METADATA) benchmarks/peers.py
	$(MAKE) --no-print-directory VENV=$(BENCH) $(BENCH)/.dev
	$(BENCH)/bin/python benchmarks/peers.py
	@touch $@

# How long each chapter takes to read, counted in the stored notebooks.
minutes: $(VENV)/.dev
	$(BIN)/python -m tests.minutes

# A picture of each explorable, stored beside it: for readers where nothing can be dragged.
stills: $(VENV)/.dev
	$(BIN)/python -m tests.stills

# One drag, for README.md.
film: $(VENV)/.dev
	$(BIN)/python -m tests.drag

# The modules are written from the notebooks, never by hand.
export: $(VENV)/.dev
	$(BIN)/ruff format --quiet nbs
	$(BIN)/nbdev-export

clean-notebooks: $(VENV)/.dev
	$(BIN)/nbdev-clean

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
