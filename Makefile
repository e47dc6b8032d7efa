# What to type: `make demo` to see it work, `make test` for what CI runs, `make help` for the rest.
# Needs bash, Python 3.11 or newer and a package index. Works with GNU make 3.81 and newer.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench soak docs lock clean .venv FORCE

# Tests start hundreds of interpreters; without byte code on the disk each would compile the program anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?=
LOCK_PYTHON ?= python3.11
UPGRADE ?=
BENCH ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCK_VENV := build/lock-venv

help:  ## This list
	@sed -n 's/^\([a-z.]*\):.*##  *\(.*\)/  make \1 - \2/p' Makefile

demo: .venv/.ready  ## The whole story, on a simulated Kraken
	@$(BIN)/krakenstate demo

test: lint  ## What CI runs: lint, then the tests
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: .venv/.ready  ## Style, types and which room imports which
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/python -m mypy --strict krakenstate
	@$(BIN)/lint-imports

bench: .venv/.ready  ## Speed beside peers; BENCH="1 2 --rounds 1" measures a part
	@$(BIN)/python -m benchmarks $(BENCH)

soak: .venv/.ready  ## The long tests
	@$(BIN)/python -m pytest -m soak -n 0 --timeout 3600

docs: .venv/.ready  ## Pages made from the code
	@$(BIN)/python -m tools.docs

.venv: .venv/.ready  ## The virtual environment alone; PYTHON=... chooses the interpreter

# --- The virtual environment -----------------------------------------------------------------------------
# Two stamps, each written last, so an interrupted build leaves none: `.locked` when the pinned packages are
# in, `.ready` when the project is. `.locked` holds the clone's path: a copied or moved environment would run
# the code of the clone it came from, so it is built anew.

find_python = for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	  if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then echo "$$candidate"; exit 0; fi; \
	done; \
	echo "Error: krakenstate needs Python 3.11 or newer with its venv module (Debian: python3-venv)." >&2; \
	echo "Tried: $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11). Name another one:" >&2; \
	echo "    make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
	exit 1

ifneq "$(shell test -x $(BIN)/python && cat .venv/.locked 2>/dev/null)" "$(CURDIR)"
.venv/.locked: FORCE
endif

.venv/.locked: requirements/dev.txt
	@python=$$($(find_python)) && \
	  echo "Building .venv with $$("$$python" --version) (once; the next run starts at once)" && \
	  "$$python" -m venv --clear .venv
	@$(PIP) install -qq --require-hashes -r requirements/dev.txt
	@printf '%s\n' '$(CURDIR)' > $@

.venv/.ready: .venv/.locked pyproject.toml
	@rm -f $@
	@echo "Installing krakenstate into .venv"
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@found=$$($(PIP) check 2>&1) || { echo "$$found" >&2; exit 1; }  # pyproject.toml and the lock agree
	@touch $@

FORCE:

# --- The lock files --------------------------------------------------------------------------------------
# Compiled for the oldest supported Python, from the public index alone: a local mirror or a folder of wheels
# would give a part of each release's hashes. Pins stay as they are unless asked: `make lock UPGRADE=--upgrade`.

compile = env -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL -u PIP_FIND_LINKS -u PIP_NO_INDEX -u PIP_CONSTRAINT \
	  PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND='make lock' \
	  $(LOCK_VENV)/bin/pip-compile --quiet --no-config $(UPGRADE) --generate-hashes --no-reuse-hashes \
	  --allow-unsafe --strip-extras --resolver=backtracking --newline=lf \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

lock:  ## Regenerate requirements/*.txt
	@$(LOCK_PYTHON) -m venv --clear $(LOCK_VENV)
	@$(LOCK_VENV)/bin/python -m pip --disable-pip-version-check install -qq --require-hashes -r requirements/lock.txt
	@$(compile) -o requirements/lock.txt requirements/lock.in
	@$(compile) -o requirements/run.txt pyproject.toml
	@$(compile) -o requirements/dev.txt --extra dev --all-build-deps -c requirements/run.txt pyproject.toml
	@rm -rf $(LOCK_VENV)
	@echo "Wrote requirements/lock.txt, run.txt and dev.txt"

clean:  ## Remove whatever these targets made, the local sandbox's .krakenstate included
	@rm -rf .venv .krakenstate build dist *.egg-info
	@rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
