# Two commands on a machine with only Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CASES ?= 1000
NUMERIC := $(addprefix tests/,kernels univariate conditioners core transforms models test_contract.py test_image_contract.py)

.PHONY: demo test machines install docs check kernels sanitize fuzz wheel clean

demo: $(VENV)/demo.stamp  ## fit the bundled table and show what was learnt
	$(BIN)/fluvial fit --out demo --force
	@echo "Open demo/report.html in a browser."

test: $(VENV)/dev.stamp check  ## lint, types, tests and doctests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

machines: $(VENV)/dev.stamp  ## the numeric tests as on lesser machines: torch and our kernels without newer instructions
	for set in default avx2; do \
		ATEN_CPU_CAPABILITY=$$set OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 $(NUMERIC) || exit 1; \
	done

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

kernels:  ## compile the kernels where they are
	$(PYTHON) src/csrc/build.py

sanitize: $(VENV)/dev.stamp  ## the kernels' tests under the address and undefined-behaviour sanitizers
	sh tests/kernels/sanitize.sh $(BIN)/python

fuzz: $(VENV)/dev.stamp  ## hostile files and run folders, by the thousand: make fuzz CASES=5000 (FAMILY=runs FIRST=2500)
	cd tests && OMP_NUM_THREADS=1 ../$(BIN)/python -m fuzz $(CASES) $(FAMILY) $(FIRST)

docs: $(VENV)/docs.stamp  ## the documentation, every code block executed
	$(BIN)/python -m sphinx -W -q -b html docs docs/_build

wheel: $(BIN)/python  ## the source archive and the wheel, into dist/; the wheel is tried in an environment of its own
	$(BIN)/python tests/wheel.py

install: $(VENV)/demo.stamp

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml constraints.txt hatch_build.py $(wildcard src/csrc/*) | $(BIN)/python
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[all]"
	touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[all,dev]"
	touch $@

$(VENV)/docs.stamp: $(VENV)/demo.stamp
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[all,docs]"
	touch $@

clean:
	rm -rf $(VENV) demo docs/_build
