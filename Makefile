# make demo   the main job on real input: adapters for transformers' own GPT Neo, its diff, and the proof
# make test   what CI runs; make test-all adds the slow suites, make test-upstream all tests of transformers
#
# All of them make a virtual environment in .venv first. PYTHON is the interpreter (3.11 or later), TORCH what pip
# installs before anything that depends on torch.

PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := .demo
PROFILE_VENV ?= .venv-adapters

export OMP_NUM_THREADS = 1
export MKL_NUM_THREADS = 1
export TOKENIZERS_PARALLELISM = false

.PHONY: help demo test test-all test-upstream upstream-tests test-versions test-profile test-gpu bench fuzz wheel-test lock audit endurance lint check fast models verify mutations docs docs-test clean

help:
	@sed -n 's/^# \?//p' Makefile | head -5

$(VENV)/ready: pyproject.toml constraints.txt generated/core/version.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

# A copy of the project without GPT Neo, to which GPT Neo is then added.
demo: $(VENV)/ready
	@rm -rf adapter_docs/_build $(DEMO) && git clone --quiet . $(DEMO)
	@$(BIN)/adaptergen -C $(DEMO) remove-model gpt_neo > $(DEMO)/.git/removed
	@git -C $(DEMO) -c user.name=demo -c user.email=demo@localhost commit --quiet --all -m 'Without GPT Neo'
	@echo '== adaptergen add-model gpt_neo' && $(BIN)/adaptergen -C $(DEMO) add-model gpt_neo --pr-body $(DEMO)/.git/body.md
	@echo '== what was changed in the code borrowed from transformers' && $(BIN)/adaptergen -C $(DEMO) diff gpt_neo --upstream
	@echo '== the change that goes to review' && git -C $(DEMO) add --all && git -C $(DEMO) diff --cached --stat
	@echo "== done: the project with GPT Neo is in $(DEMO), the description for reviewers in $(DEMO)/.git/body.md"

test: lint check fast models

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: $(VENV)/ready
	$(BIN)/python utils/check_adapters.py

fast: $(VENV)/ready
	$(BIN)/pytest tests_adapters/generator -m 'not slow' -n 2

models: upstream-tests
	$(BIN)/pytest tests_adapters --ignore tests_adapters/generator -m 'not slow' -n 2

test-all: lint check upstream-tests
	$(BIN)/pytest tests_adapters -n 2
	@$(BIN)/python -c 'import datasets, matplotlib, soundfile' 2> /dev/null || echo "the examples were not run: $(BIN)/python -m pip install -e '.[examples]' -c constraints.txt"

# Transformers' own tests of its models, from its source distribution, once into the user's cache.
upstream-tests: $(VENV)/ready
	@$(BIN)/python -m tests_adapters.core.upstream.archive

# All of them, over every class of every architecture.
test-upstream: upstream-tests
	$(BIN)/pytest tests_adapters/models -k test_upstream --upstream -n 2

# The wheel, in an environment that sees nothing of this folder: a few minutes.
wheel-test: $(VENV)/ready
	$(BIN)/pytest tests_adapters/generator/test_wheel.py

# What an accelerator computes, and the benchmarks there. DEVICE=cpu runs the same tests without one.
DEVICE ?= cuda
test-gpu: $(VENV)/ready
	$(BIN)/pytest tests_adapters/accelerator --device $(DEVICE)

# What adapters cost, ours against upstream's and the peers': about half an hour, on a machine that does nothing else.
bench: $(VENV)/ready $(PROFILE_VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]' -c constraints.txt
	$(BIN)/python -m benchmarks --peer-python $(PROFILE_VENV)/bin/python --write

verify: $(VENV)/ready
	$(BIN)/adaptergen verify --all

$(PROFILE_VENV)/ready:
	$(PYTHON) -m venv $(PROFILE_VENV)
	$(PROFILE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(PROFILE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check adapters==1.3.0 transformers==4.57.6
	@touch $@

# Integrations for the library `adapters`, run with that library: its environment is one of its own.
test-profile: $(VENV)/ready $(PROFILE_VENV)/ready
	$(BIN)/python utils/prove_adapters_profile.py --python $(PROFILE_VENV)/bin/python

# Plant mistakes in a spanning set of architectures, and see that each is noticed: about an hour.
mutations: $(VENV)/ready
	$(BIN)/python utils/mutation_proof.py --write

# requirements.lock: constraints.txt with the digests of all files of each release; what is installed by it must match.
# torch is left out: its CPU build comes from another index than PyPI, with other digests.
lock: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@printf '# Every package of constraints.txt, with the digests of all files of its release. Written by `make lock`; torch is not in it:\n# see adapter_docs/reliability.md.\n' > requirements.lock.new
	$(BIN)/uv --no-config pip compile --quiet --no-deps --generate-hashes --no-emit-package torch --no-annotate --no-header constraints.txt >> requirements.lock.new
	@mv requirements.lock.new requirements.lock

# Known advisories against what is pinned.
audit: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/pip-audit --no-deps --disable-pip --requirement constraints.txt

# Kill commands and trainings at random moments, and saving at each step, and look at what is found; then a thousand
# cycles of adapters: five minutes on two cores.
endurance: $(VENV)/ready
	$(BIN)/python utils/killed_runs.py
	$(BIN)/python utils/killed_saves.py
	$(BIN)/python utils/killed_training.py
	$(BIN)/python utils/many_cycles.py

# Damage a thousand stored adapters, heads, mixtures, setups and archives, and a thousand modeling files: minutes.
fuzz: $(VENV)/ready
	$(BIN)/python utils/hostile_checkpoints.py
	$(BIN)/python utils/hostile_sources.py

# A spanning set of architectures under each of four releases of transformers, in an environment of its own: hours.
test-versions: $(VENV)/ready
	$(BIN)/python utils/version_range.py --write

docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]' -c constraints.txt
	$(BIN)/sphinx-build -q -W -b html adapter_docs adapter_docs/_build

# The pages in a headless browser: a Chromium of the system, or else one that playwright fetches.
docs-test: docs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs-test]' -c constraints.txt
	@for name in chromium chromium-browser google-chrome; do command -v $$name > /dev/null && exit 0; done; $(BIN)/playwright install chromium
	$(BIN)/pytest tests_adapters/site --site adapter_docs/_build

clean:
	rm -rf adapter_docs/_build $(DEMO) $(VENV) .venv-* .mypy_cache .pytest_cache .ruff_cache
