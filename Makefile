# Two commands matter: `make run` and `make test`. Everything else is for those who work here.
# This file is the one source of truth; the justfile only forwards to it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
RUN_STAMP := $(VENV)/.ready-to-run
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test kernels setup check types lint imports fix messages notice changelog bench mutants coverage prove wheels lock docs help clean

# A first run compiles for half a minute. The kernels that the study wants last are compiled
# beside its first steps, by asking small questions; where they are compiled, it takes seconds.
FIRST_KERNELS := { $(BIN)/commonwatt siting cost cn-west --draws 100; \
  $(BIN)/commonwatt treasury fan hongkong --paths 200; \
  $(BIN)/commonwatt siting place --hours 192; } >/dev/null 2>&1

run: $(if $(wildcard $(STAMP)),$(STAMP),$(RUN_STAMP))  ## Install what a run needs, run the shipped programme, then open the console
	@# 41: the run is kept, and an optional part of it is absent on this machine, as the report says.
	@$(FIRST_KERNELS) & $(BIN)/commonwatt study harbour; status=$$?; wait; [ $$status -eq 41 ] || exit $$status
	@if [ -t 1 ]; then exec $(BIN)/commonwatt serve; \
	  else echo "The console, with this study in it: $(BIN)/commonwatt serve"; fi

test: $(STAMP)  ## Run every check and every test
	@# Types are checked on one core; the kernels that the tests want are compiled on another.
	$(MAKE) --no-print-directory -j2 check kernels
	$(BIN)/pytest -n 4 --dist worksteal

kernels: $(STAMP)
	@$(FIRST_KERNELS) & store=`mktemp -d` && \
	  { $(BIN)/commonwatt study harbour --store $$store >/dev/null 2>&1 || true; }; wait; rm -rf $$store

setup: $(STAMP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Commonwatt needs Python 3.11 or newer; found `$(PYTHON) --version`. Name another with: make PYTHON=python3.12 run"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 2; }

# Byte code is compiled when a module is first imported: most of what is installed never is.
# What builds the package is laid aside and gone again, so that the run has what it needs alone;
# so has setuptools, which older Pythons lay into every new environment and read at every start.
$(RUN_STAMP): requirements/run.lock requirements/build.lock pyproject.toml | $(BIN)/python
	$(PIP) install --no-compile --no-deps --require-hashes -r requirements/run.lock
	$(PIP) install --no-compile --no-deps --require-hashes --target $(VENV)/build -r requirements/build.lock
	PYTHONPATH=$(VENV)/build $(PIP) install --no-deps --no-build-isolation -e .
	@rm -rf $(VENV)/build
	@$(PIP) --quiet uninstall --yes setuptools
	@touch $@

$(STAMP): requirements/dev.lock pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/dev.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

check: lint types imports  ## Style, types and import contract

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/pyright

imports: $(STAMP)
	$(BIN)/lint-imports

fix: $(STAMP)  ## Mend what can be mended by machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

messages: $(STAMP)  ## Compile the message catalogues
	for po in src/commonwatt/locale/zh_Hant/LC_MESSAGES/*.po; do \
	  $(BIN)/pybabel --quiet compile -f -i $$po -o $${po%.po}.mo -l zh_Hant; done

docs: $(STAMP)  ## Build the pages into docs/_build
	$(BIN)/python -m sphinx -q -W -n -b html docs docs/_build

notice: $(STAMP)  ## Renew NOTICE from the table of licences
	$(BIN)/python -m commonwatt.core.licences > NOTICE

MODULE ?=
SEED ?= 1

mutants: $(STAMP)  ## Plant small faults in named modules and count what the tests notice
	$(BIN)/python -m tests.mutants $(MODULE) --seed $(SEED)

coverage: $(STAMP)  ## Hold the branch coverage of the named modules to the floor in pyproject.toml
	$(BIN)/python -m tests.mutants.branches

WING ?=

prove: $(STAMP)  ## Run the full form of a wing's proofs: make prove WING=clinic; all wings without one
	$(BIN)/pytest --prove $(if $(WING),--wing $(WING))

changelog: $(STAMP)  ## Print the changes since the last release, from changes/
	@$(BIN)/python changes/assemble.py

bench: $(STAMP)  ## Measure speed and memory, as ratios to a peer or a limit
	$(BIN)/python bench/run_all.py

wheels: $(STAMP)  ## Build the program and the share-alike data, each a wheel of its own
	$(BIN)/python -m hatchling build -t wheel -d dist
	cd src/commonwatt_data_odbl && $(CURDIR)/$(BIN)/python -m hatchling build -t wheel -d $(CURDIR)/dist

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --exclude-newer "`date -u -d '7 days ago' +%F`"
lock:  ## Renew the locked dependencies, none younger than a week; the small locks are parts of the large
	$(COMPILE) --group dev pyproject.toml -o requirements/dev.lock
	$(COMPILE) --extra web -c requirements/dev.lock pyproject.toml -o requirements/run.lock
	printf 'hatchling\neditables\n' | $(COMPILE) -c requirements/dev.lock - -o requirements/build.lock

help:  ## What this file can make
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
	  printf '%-10s %s\n' "$$name" "$$what"; done

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist
