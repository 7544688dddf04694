# Everything a newcomer needs, on a machine with make and Python 3.11 to 3.14:  make demo,  make test.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
UV     ?= uv
ARGS   ?=

READY      := $(VENV)/.ready
LINT_READY := $(VENV)/.ready-lint
TYPED      := --jaxtyping-packages=tightwidth,typechecking.typechecked
BENCH      := .venv-bench
NT         := .venv-neural-tangents
NT_PYTHON  ?= python3.11
COMPILE    := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
              --no-emit-index-url --no-header --no-annotate --fork-strategy fewest

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow test-typed lint bench bench-gate docs-map lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12
	@echo
	@echo 'make PYTHON=python3.12 TARGET  builds $(VENV) with another interpreter (3.11 to 3.14)'
	@echo "make test ARGS='-k losses'     hands arguments to pytest"

demo: $(READY) ## install, then memorize random points and real data with random labels
	$(BIN)/tightwidth memorize --points 4096 --dim 64
	$(BIN)/tightwidth memorize digits --random-labels

test: $(READY) ## install, then run the tests
	$(BIN)/python -m pytest $(ARGS)

test-slow: $(READY) ## run the tests that are marked slow, with every annotation checked
	$(BIN)/python -m pytest -m slow $(TYPED) $(ARGS)

test-typed: ARGS += $(TYPED)
test-typed: test ## run the tests with every annotation checked, shapes included; a quarter slower

lint: $(LINT_READY) ## check style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	$(BIN)/lint-imports

bench: $(BENCH)/.ready $(NT)/.ready ## install the peers, measure ours beside them, write docs/benchmarks.md
	$(BENCH)/bin/python benchmarks/run.py $(ARGS)

bench-gate: $(READY) ## compare a few ratios of times with benchmarks/baseline.json
	$(BIN)/python benchmarks/gate.py $(ARGS)

docs-map: $(READY) ## write docs/paper_map.md anew from the docstrings
	$(BIN)/python -m tightwidth.paper_map > docs/paper_map.md.new
	mv docs/paper_map.md.new docs/paper_map.md

lock: ## write the lock files anew (needs uv)
	$(COMPILE) --upgrade pyproject.toml --extra distributed --extra onnx --extra parquet --extra test --group build -o requirements.lock
	$(COMPILE) --upgrade --group lint -c requirements.lock -o requirements-lint.lock

clean: ## remove the environments and what tools left behind
	rm -rf $(VENV) $(BENCH) $(NT) build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
	  echo '$(PYTHON) is missing, or not Python 3.11 to 3.14, for which the versions in requirements.lock are built:'; \
	  echo 'install one of these, or name it, as in  make PYTHON=python3.12 demo'; exit 2; } >&2
	$(PYTHON) -m venv $(VENV) || { \
	  echo '$(PYTHON) cannot make a virtual environment: install its venv module (on Debian: python3-venv),'; \
	  echo 'or name another interpreter, as in  make PYTHON=python3.12 demo'; exit 2; } >&2

$(READY): requirements.lock pyproject.toml | $(BIN)/pip
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(LINT_READY): requirements-lint.lock $(READY)
	$(PIP) install --quiet --require-hashes -r requirements-lint.lock
	@touch $@

# a peer that does not install is reported as missing
$(BENCH)/.ready: requirements.lock requirements-bench.txt pyproject.toml
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements.lock
	$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	grep -v '^#' requirements-bench.txt | while read -r peer; do \
	  $(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet "$$peer" || \
	  echo "$$peer does not install here, and will be missing" >&2; done
	@touch $@

$(NT)/.ready: requirements-neural-tangents.txt
	{ $(NT_PYTHON) -m venv $(NT) && \
	  $(NT)/bin/python -m pip --disable-pip-version-check install --quiet -r $<; } || { \
	  rm -rf $(NT); echo 'neural-tangents does not install here, and will be missing; it needs Python 3.9 to 3.11:'; \
	  echo 'name one, as in  make NT_PYTHON=python3.11 bench'; } >&2
	@mkdir -p $(NT) && touch $@
