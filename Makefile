# Everything a person or a machine does with the tree. Needs python3 (3.11 to 3.13), pip, make and git.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
UV     := .tools/bin/uv
READY  := $(VENV)/.ready
ARGS   ?=
BENCHES ?= features lookup serving explain intake quality

export UV_SYSTEM_CERTS ?= true
export VIRTUAL_ENV := $(abspath $(VENV))

.PHONY: help setup demo test proof check format bench lock clean

help:  ## Say what each target does
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY)  ## Prepare the environment, nothing else

demo: $(READY)  ## From nothing to a ranked queue; ARGS=--once stops after the print
	$(BIN)/darvoza demo $(ARGS)

test: $(READY)  ## Every test, at small sizes
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

proof: $(READY)  ## The tests at the sizes that the claims state (up to an hour)
	DARVOZA_PROOF=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --timeout 3600 $(ARGS)

check: $(READY)  ## Lint, types, layers, and no registry host in any tracked file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/hosts.py

format: $(READY)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## Every benchmark against its peers (BENCHES="features lookup" for some)
	for name in $(BENCHES); do $(BIN)/darvoza bench $$name || exit 1; done

COMPILE = $(UV) pip compile --quiet $(UPGRADE) --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-header --no-annotate --no-emit-index-url
UPGRADE ?= --upgrade

lock: $(UV)  ## Choose new versions (the only thing that moves pins)
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --output-file requirements-dev.lock --constraint requirements.lock \
		--extra train --group dev --group bench pyproject.toml
	echo uv | $(COMPILE) --output-file requirements-uv.lock -

$(READY): requirements-dev.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --clear --no-project --python $(PYTHON) $(VENV)
	$(UV) pip sync --quiet --require-hashes requirements-dev.lock
	$(UV) pip install --quiet --no-deps --no-index --editable .
	touch $@

$(UV): requirements-uv.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
		--upgrade --require-hashes --target .tools --requirement requirements-uv.lock
	touch $@

clean:  ## Remove what set-up made
	rm -rf $(VENV) .tools
