# `make demo` and `make test` need Python 3.11 or later and nothing else; they make their own environment in .venv.
PYTHON ?= python3
BIN := .venv/bin

# The networks here are too small to be shared out: a second thread gains nothing, and where something else runs on the
# machine it made training four to six times slower (pgd-at on digits, 2 cores, one of them busy).
export OMP_NUM_THREADS = 1

.PHONY: demo test lint clean
.DEFAULT_GOAL := test

demo: .venv/ready
	$(BIN)/pytest --robust-only --robust-model=examples/digits.py:make --robust-train=standard,fgsm-rs,pgd-at,trades \
		--robust-leaderboard=demo-leaderboard

test: .venv/ready
	$(BIN)/pytest

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[torchattacks,dev]'
	touch $@

clean:
	rm -rf .venv .robust build dist *.egg-info
