# One command a task. `make run` and `make test` need Python 3.11 to 3.13 and nothing else; both make .venv first.

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell $(name) -c \
  'import sys; print("$(name)" if (3, 11) <= sys.version_info[:2] <= (3, 13) else "")' 2>/dev/null)))
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test check format unit browser texts constraints bench clean

run: .venv/installed ## start the dashboard
	$(BIN)/rackwright serve

test: check ## everything CI runs: style, types, rooms, all tests in a real browser
	$(BIN)/python -m scripts.browser
	$(BIN)/python -m pytest

check: .venv/installed-dev ## style, types, rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: .venv/installed-dev ## the tests that need no browser
	$(BIN)/python -m pytest -m "not browser"

browser: .venv/installed-dev ## the browser tests alone
	$(BIN)/python -m scripts.browser
	$(BIN)/python -m pytest -m browser

format: .venv/installed-dev ## put the source in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

texts: .venv/installed-dev ## bring the translation files in step with the source
	$(BIN)/python -m scripts.translations

constraints: ## pin the newest releases that pyproject.toml allows (needs uv)
	uv pip compile pyproject.toml --extra dev --extra hub --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate --quiet -o constraints.txt

bench: .venv/installed-dev ## speed and scale
	for file in benchmarks/*.py; do $(BIN)/python -m benchmarks.$$(basename $$file .py) || exit 1; done

clean: ## remove the environment and everything made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build test-results

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; name one with make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; echo "The venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e .
	@touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[dev]'
	@touch .venv/installed $@
