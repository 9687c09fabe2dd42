# Everything a person or a machine does with the tree. Needs python3 (3.11 to 3.13), pip, make and git.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
UV     := .tools/bin/uv
READY  := $(VENV)/.ready
SPARK  ?= .venv-spark
ARGS   ?=
# The tests of a file come in the same shuffled order each time; ARGS="--randomly-seed=N" for another.
WORKERS := -n 2 --dist loadscope --randomly-seed=20240307
BENCHES ?= features lookup serving explain quality

export UV_SYSTEM_CERTS ?= true
export VIRTUAL_ENV := $(abspath $(VENV))
# Kept on disk, compiled code halves the start of every process: made once at set-up, as pip does.
unexport PYTHONDONTWRITEBYTECODE
# One thread for numerics, as the command has it: two in each worker wait for one another, busily.
test integration proof: export OMP_NUM_THREADS = 1
# A store waits for its disk at each commit: homes of tests lie in memory where it has 4 GB to spare.
test: export TMPDIR := $(or $(shell df -k /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 {print $$6}'),$(TMPDIR))

.PHONY: help setup demo test integration proof spark check format bench screenshots dashboard install bundle lock clean

help:  ## Say what each target does
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

setup: $(READY)  ## Prepare the environment, nothing else

demo: $(READY)  ## From nothing to a ranked queue; ARGS=--once stops after the print
	$(BIN)/darvoza demo $(ARGS)

test: $(READY)  ## Every promise at small sizes, in one process and on SQLite
	$(BIN)/python -m pytest $(WORKERS) tests/unit $(ARGS)

integration: $(READY)  ## Other processes, PostgreSQL, a browser, whole systems; unit tests of stores on PostgreSQL
	$(BIN)/python -m pytest $(WORKERS) --store postgresql tests/integration tests/unit $(ARGS)

proof: $(READY)  ## Every test, at the sizes that the claims state (hours)
	DARVOZA_PROOF=1 $(BIN)/python -m pytest $(WORKERS) --timeout 3600 tests/unit tests/integration tests/proof $(ARGS)

spark: $(READY) $(SPARK)/.ready  ## Spark against numpy, and training from it, in an environment of its own; needs Java 17 or later
	PYSPARK_PYTHON=$(abspath $(SPARK))/bin/python PYSPARK_DRIVER_PYTHON=$(abspath $(SPARK))/bin/python \
		SPARK_LOCAL_IP=127.0.0.1 $(SPARK)/bin/python -m pytest tests/spark --timeout 1200 $(ARGS)

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

screenshots: $(READY)  ## Picture every page of a demonstration into docs/pictures; needs chromium
	PYTHONPATH=. $(BIN)/python -m tests.integration.browser.screenshots $(ARGS)

dashboard: $(READY)  ## Write deploy/dashboard.json from the service's list of metrics
	PYTHONPATH=. $(BIN)/python deploy/dashboard.py >deploy/dashboard.json

install: $(UV)  ## Install for an operator, without what tests and benches need; PREFIX=/opt/darvoza
	UV=$(abspath $(UV)) sh deploy/install.sh --prefix $(PREFIX) --python $(PYTHON)
PREFIX ?= /opt/darvoza

bundle: $(READY)  ## Write all that a machine without a network needs; OUT=DIR KEY=FILE PYTHONS="3.11 3.13"
	OUT=$(OUT) KEY=$(KEY) PYTHONS="$(PYTHONS)" PLATFORM=$(PLATFORM) PYTHON=$(PYTHON) UV=$(UV) BIN=$(BIN) \
		sh deploy/bundle.sh
OUT ?= out/bundle
KEY ?= release.pem
PYTHONS ?= 3.11 3.12 3.13
PLATFORM ?= x86_64

COMPILE = $(UV) pip compile --quiet $(UPGRADE) --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-header --no-annotate --no-emit-index-url
UPGRADE ?= --upgrade

lock: $(UV)  ## Choose new versions (the only thing that moves pins)
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --output-file requirements-dev.lock --constraint requirements.lock \
		--extra train --group dev --group bench pyproject.toml
	$(COMPILE) --output-file requirements-train.lock --constraint requirements-dev.lock \
		--extra train pyproject.toml
	$(COMPILE) --output-file requirements-spark.lock --constraint requirements-dev.lock \
		--extra spark --group spark pyproject.toml
	echo setuptools | $(COMPILE) --output-file requirements-build.lock \
		--constraint requirements-spark.lock -
	echo uv | $(COMPILE) --output-file requirements-uv.lock -

$(READY): requirements-dev.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --clear --no-project --python $(PYTHON) $(VENV)
	$(UV) pip sync --quiet --require-hashes --compile-bytecode requirements-dev.lock
	$(UV) pip install --quiet --no-deps --no-index --editable .
	$(BIN)/python -m tests.support.compiled_kernels
	-$(BIN)/python -m pytest -qq --collect-only >$(VENV)/collected.txt  # compiles the tests, too
	touch $@

# pyspark is built here from its source, by the setuptools of the lock: no unhashed build back end.
$(SPARK)/.ready: requirements-spark.lock requirements-build.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --clear --no-project --python $(PYTHON) $(SPARK)
	VIRTUAL_ENV=$(abspath $(SPARK)) $(UV) pip install --quiet --no-deps --no-build --require-hashes \
		--requirement requirements-build.lock
	VIRTUAL_ENV=$(abspath $(SPARK)) $(UV) pip sync --quiet --require-hashes --no-build-isolation \
		requirements-spark.lock
	VIRTUAL_ENV=$(abspath $(SPARK)) $(UV) pip install --quiet --no-deps --no-index --editable .
	touch $@

# An active environment need not have pip: the Python that it was made from has it.
$(UV): requirements-uv.lock
	python=$(PYTHON); $$python -c 'import pip' 2>/dev/null || \
		python=$$($(PYTHON) -c 'import sys; print(sys._base_executable)'); \
	$$python -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
		--upgrade --require-hashes --target .tools --requirement requirements-uv.lock
	touch $@

clean:  ## Remove what set-up made
	rm -rf $(VENV) $(SPARK) .tools
