# The tasks of this project; `make` alone lists them. .ci/run calls the same ones.
# Works with GNU make 3.81 and later and with any POSIX shell.

PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
UV_COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header

.PHONY: help install demo up test check bench fuzz lock docs clean

help: ## list these tasks
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

install: $(VENV)/.installed ## the environment alone, from the lock with hashes

demo: install ## a minute's story; ARGS=--yes needs no person; PLAYBOOK=name rehearses that playbook's
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/responder demo $(if $(PLAYBOOK),--playbook '$(PLAYBOOK)') $(ARGS)

up: install ## the runner with its embedded parts, until Ctrl-C
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/responder up

test: $(VENV)/.installed-dev ## install what the tests need, then run them; ARGS="-k word" runs some
	@sh scripts/system-packages
	@$(BIN)/python -m tests.lab.ministack || true
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/python -m tests.lab.sandbox -- $(CURDIR)/$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

check: $(VENV)/.installed-dev ## format, lint, types, imports, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/cog --check -P -I . docs/reference/*.md docs/decisions/0008-dependencies.md

docs: $(VENV)/.installed-dev ## write the generated parts of docs/ again
	$(BIN)/cog -r -P -I . docs/reference/*.md docs/decisions/0008-dependencies.md

bench: $(VENV)/.installed-dev ## how fast it is on this machine, beside floors of the same run
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/python -m tests.lab.sandbox -- $(CURDIR)/$(BIN)/python -m tests.bench $(ARGS)

fuzz: $(VENV)/.installed-dev ## deliveries that nobody should send, for a minute; ARGS="SECONDS [SEED]"
	@$(BIN)/python -m tests.fuzz $(or $(ARGS),60)

lock: ## write locks/ again from pyproject.toml; needs uv
	@PATH="$$PATH:$(CURDIR)/$(BIN)"; set -e; \
	$(UV_COMPILE) pyproject.toml --all-extras --group build --group dev -o locks/dev.txt; \
	$(UV_COMPILE) pyproject.toml --extra embedded --extra rehearsal --group build -c locks/dev.txt -o locks/embedded.txt; \
	$(UV_COMPILE) pyproject.toml -c locks/dev.txt -o locks/runtime.txt; \
	$(UV_COMPILE) pyproject.toml --extra azure -c locks/dev.txt -o locks/azure.txt; \
	$(UV_COMPILE) --group build -c locks/dev.txt -o locks/build.txt

clean: ## remove the environment and everything that was built; state folders stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What is installed is the lock, checked by its hashes; then the project itself, in place.
$(VENV)/.installed: locks/embedded.txt pyproject.toml | $(BIN)/python
	@echo "installing locks/embedded.txt into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/embedded.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: locks/dev.txt $(VENV)/.installed
	@echo "installing locks/dev.txt into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or later is needed; $(PYTHON) is older or not there: make install PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "no environment could be made; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
