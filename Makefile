# `make demo` and `make test` need nothing but Python 3.11 or newer: they make .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread per process: the tests and the demo run two processes instead.
RUN := OMP_NUM_THREADS=1 $(BIN)/python
INSTALLED := $(VENV)/.installed
CONSTRAINTS := constraints.txt

.PHONY: demo test test-all test-min pytest lint types bench audit docs figure clean

demo: $(INSTALLED)
	$(RUN) examples/compare_transfer_baselines.py --jobs 2

test: lint types pytest

test-all: lint types
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable ".[dask]"
	$(RUN) -m pytest -n 2 --dist worksteal

# The lowest supported versions, in an environment of their own.
test-min:
	$(MAKE) VENV=.venv-min CONSTRAINTS=constraints-min.txt pytest

pytest: $(INSTALLED)
	$(RUN) -m pytest -n 2 --dist worksteal -m "not slow"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy --num-workers 2

# Takes about ten minutes; both sides of a ratio take turns, but a quiet machine is better.
bench: $(INSTALLED)
	$(RUN) benchmarks/bench.py --write benchmarks/RESULTS.md

# Known vulnerabilities of the installed packages. PyPI lists PyTorch without the "+cpu" of its CPU
# build. --strict makes a package an error that cannot be looked up.
audit: $(INSTALLED)
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) pip-audit
	$(BIN)/pip list --format freeze --exclude-editable | sed "s/+cpu$$//" > $(VENV)/audit.txt
	@$(BIN)/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
		--requirement $(VENV)/audit.txt > $(VENV)/audit.log 2>&1; status=$$?; cat $(VENV)/audit.log; \
	if [ $$status -ne 0 ] && ! grep -q "^Found " $(VENV)/audit.log; then \
		echo "The data on vulnerabilities could not be reached: the packages are not audited." >&2; \
	fi; exit $$status

docs: $(VENV)/.docs
	$(BIN)/sphinx-build -W --keep-going docs docs/_build/html

# The picture of the README, from an example of the gallery.
figure: $(INSTALLED)
	MPLBACKEND=svg $(BIN)/python -W ignore -c "import runpy, matplotlib.pyplot as plt; \
		runpy.run_path('examples/plot_two_dimensions.py'); \
		plt.savefig('docs/_static/adaptation.png', dpi=110)"

clean:
	rm -rf $(VENV) .venv-min docs/_build docs/auto_examples docs/generated docs/reference/generated

$(INSTALLED): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable ".[test]"
# librosa compiles at its first import, for half a minute. Two processes that do so at once may
# store one function's code under the name of another (IndexDataCacheFile.save of numba 0.68).
	EAGER_IMPORT=1 $(BIN)/python -c "import librosa"
	touch $@

$(VENV)/.docs: $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@
