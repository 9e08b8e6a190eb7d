# One command each, on a machine with only Python (3.11 or newer), git and make:
#
#   make demo     trackers, a dispatcher and a gateway that dies on the way, on one screen
#   make test     the test suite; peers that are not installed are skipped, and named
#   make soak     the long runs, in real time and at their full scale: over 20 minutes
#   make docs     the documentation, into site/
#   make bench    the benchmarks
#   make check    format, lint, types, import contracts, budgets, diagrams
#   make diagrams draw the state diagrams of the documentation anew
#
# All of it lives in .venv. Another Python: PYTHON=python3.12 make test. More words for the program: ARGS="..."

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test soak docs bench check diagrams clean for-demo for-test for-dev python

help:
	@sed -n '3,9s/^#   //p' Makefile

demo: for-demo
	@$(BIN)/cableway demo $(ARGS)

test: for-test
	$(BIN)/python -m pytest $(ARGS)

soak: for-test
	CABLEWAY_SOAK_SCALE=1 $(BIN)/python -m pytest -m soak $(ARGS)

docs: for-dev
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict --quiet

bench: for-test
	$(BIN)/python benchmarks/receive.py $(ARGS)
	$(BIN)/python benchmarks/battery.py
	$(BIN)/python benchmarks/idle.py

check: for-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright --verifytypes cableway --ignoreexternal
	$(BIN)/lint-imports
	$(BIN)/python scripts/budgets.py
	$(BIN)/python scripts/state_diagrams.py --check

diagrams: for-dev
	$(BIN)/python scripts/state_diagrams.py

clean:
	rm -rf .venv site dist build .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

for-demo for-test for-dev: for-%: python
	@$(PYTHON) scripts/environment.py $*

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Cableway needs Python 3.11 or newer; $(PYTHON) is %s.%s. Name a newer one: PYTHON=python3.12 make ..." % sys.version_info[:2])'
