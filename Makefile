# Two commands matter: `make run` and `make test`. Everything else is for those who work here.
# This file is the one source of truth; the justfile only forwards to it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.lock
STAMP := $(VENV)/.ready

.PHONY: run test setup check types lint imports fix messages bench mutants coverage prove lock docs clean

run: $(STAMP)  ## Set everything up, run the shipped programme, then open the console
	$(BIN)/commonwatt study harbour
	@if [ -t 1 ]; then exec $(BIN)/commonwatt serve; \
	  else echo "The console, with this study in it: $(BIN)/commonwatt serve"; fi

test: $(STAMP)  ## Run every check and every test
	$(MAKE) --no-print-directory check
	$(BIN)/pytest -n 2 --dist worksteal

setup: $(STAMP)

$(STAMP): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Commonwatt needs Python 3.11 or newer; found `$(PYTHON) --version`. Name another with: make PYTHON=python3.12 run"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
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

bench: $(STAMP)  ## Measure speed and memory, as ratios to a peer or a limit
	for script in bench/*_*.py; do $(BIN)/python $$script || exit 1; done

MODULE ?=
SEED ?= 1

mutants: $(STAMP)  ## Plant small faults in named modules and count what the tests notice
	$(BIN)/python -m tests.mutants $(MODULE) --seed $(SEED)

coverage: $(STAMP)  ## Hold the branch coverage of the named modules to the floor in pyproject.toml
	$(BIN)/python -m tests.mutants.branches

WING ?=

prove: $(STAMP)  ## Run the full form of a wing's proofs: make prove WING=clinic; all wings without one
	$(BIN)/pytest --prove $(if $(WING),--wing $(WING))

lock:  ## Renew the locked dependencies, none younger than a week
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --exclude-newer "`date -u -d '7 days ago' +%F`" \
	  --group dev pyproject.toml -o $(LOCK)

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist
