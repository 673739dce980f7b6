PYTHON ?= python3
BIN := .venv/bin
.PHONY: install demo check test docs bench build

install: .venv/installed  # into .venv, once, and again when what is asked for changes
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

demo: install  # one minute of a simulated plant with planted faults
	$(BIN)/tocsin demo --seconds 60

check: install  # format, lint, types, import direction
	$(BIN)/ruff format --check . && $(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python  # else it looks at the python3 on the path
	$(BIN)/lint-imports

test: install  # all checks, then all tests; fails if either does
	@make --no-print-directory check; checked=$$?; \
	$(BIN)/pytest -n auto --dist worksteal && exit $$checked

docs: install  # runs the examples in the documentation
	$(BIN)/pytest tests/test_docs.py

bench: install  # ratios taken side by side
	$(BIN)/python benchmarks/run.py

build: install  # dist/*.tar.gz and dist/*.whl; a stale egg-info would bring old paths back
	rm -rf build dist *.egg-info
	$(BIN)/python -m build
