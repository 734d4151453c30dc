# Everything installs into .venv; the source tree stays free of compiled files, so that it can run
# interpreted beside the compiled install. `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
ARGS ?=
# Before a command: import the source tree, not the install.
SOURCE := PYTHONPATH=.:protocol:cluster:client
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# A caller's path must not shadow the build under test.
unexport PYTHONPATH

.NOTPARALLEL:
.PHONY: help run test test-compiled test-interpreted coverage lint tidy compile bench facts docs client
.PHONY: clean tools

help:
	@echo "make run        start a node on port 6379 (ARGS='--port 7000' is passed on)"
	@echo "make test       lint, then all tests compiled, then most of them interpreted"
	@echo "make coverage   the interpreted tests, three times as slow, and what they cover"
	@echo "make lint       ruff, mypy --strict and the tidy tests"
	@echo "make compile    build and install into .venv when sources changed"
	@echo "make bench      measure beside redis-server"
	@echo "make facts      generate the client's table of commands"
	@echo "make docs       generate the page of commands"
	@echo "make client     generate the client's blocking and queued flavours"
	@echo "make clean      remove .venv and everything built"

run: compile
	exec $(BIN)/kvnode serve $(ARGS)

compile:
	@tools/setup.sh run

tools:
	@tools/setup.sh test

test: lint test-compiled test-interpreted

test-compiled: tools
	KVNODE_BUILD=compiled $(BIN)/pytest -o pythonpath=tests -n $(WORKERS) --dist loadfile --maxfail=30

test-interpreted: tools
	KVNODE_BUILD=interpreted $(BIN)/pytest -m "not long" -n $(WORKERS) --dist loadfile --maxfail=30 \
		$(MEASURED) tests/unit tests/wire tests/client tests/integrations tests/tidy

coverage: MEASURED := --cov --cov-report=term
coverage: test-interpreted

lint: tools
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -q tests/tidy

tidy: tools
	$(BIN)/pytest -q tests/tidy

bench: tools
	$(BIN)/python -m bench.run $(ARGS)

facts: compile
	$(SOURCE) $(BIN)/python tools/generate.py facts

docs: compile
	$(SOURCE) $(BIN)/python tools/generate.py docs

client: tools
	$(SOURCE) $(BIN)/python tools/generate.py client

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.* htmlcov
	find kvnode protocol cluster client tests bench -name __pycache__ -prune -exec rm -rf {} +
	@# What an editable install leaves in the source tree.
	find kvnode protocol cluster client -name '*.so' -delete
	rm -f kvnode_*__mypyc.*.so
