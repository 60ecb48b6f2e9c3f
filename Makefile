# make demo | test | nightly | check | bench [ONLY=name] | lock | format | clean
PYTHON ?= python3
BIN := .venv/bin
# faiss-cpu and faiss-gpu share one folder, so the lock is made twice and one of the two is installed
LOCK := $(if $(shell command -v nvidia-smi 2>/dev/null),requirements-gpu.lock,requirements.lock)
# installs in a third of the time; where it cannot reach the packages (a mirror that only pip knows), pip does it. What is
# installed is compiled at once, as pip does: where Python may not write, every command would compile it anew
UV_VERSION := 0.13.9
ROOMS := manifests pipeline annotations evaluators flows
UV := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --no-annotate --extra dev --extra diffusers --extra ocr --extra ray

export DO_NOT_TRACK = 1
export NO_ALBUMENTATIONS_UPDATE = 1
export HF_HUB_DISABLE_TELEMETRY = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test nightly check bench lock format clean setup types compiled studio clip-retrieval flax

setup: .venv/.done types compiled

.venv/.done: $(LOCK) pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv==$(UV_VERSION) && $(BIN)/uv pip install --quiet --compile-bytecode --no-deps -r $(LOCK) || $(BIN)/pip install --quiet --no-deps -r $(LOCK)
	$(BIN)/pip install --quiet --no-deps -e .
	touch $@

# type checkers and IDEs follow no import hook, which is how an editable install maps the rooms: links show them the same
# packages (docs/decisions/001-one-import-name.md)
types:
	mkdir -p .types/relaionet
	ln -sfn $(foreach path,$(wildcard relaionet/*.py*) relaionet/py.typed $(ROOMS),$(CURDIR)/$(path)) .types/relaionet/

# as the packages: half a second of every command; what did not change is passed over
compiled: .venv/.done
	$(BIN)/python -m compileall -q relaionet $(ROOMS) tests

# Label Studio pins its own versions of everything, so it lives in an environment of its own, once per user
studio: setup
	$(BIN)/relaionet review install

# clip-retrieval pins numpy<2; its back end, which the contract test talks to, has an environment of its own too
clip-retrieval: setup
	$(BIN)/python -m tests.contract.clip_retrieval_environment

# what flax and orbax write is converted; the versions the authors of checkpoints used have an environment of their own
flax: setup
	$(BIN)/python -m tests.contract.flax_environment

demo: studio
	$(BIN)/relaionet demo --out runs/demo

test: studio clip-retrieval flax
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --progress --durations=15 -n 2 --dist loadfile

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p relaionet
	$(BIN)/basedpyright
	$(BIN)/python -m pytest -q tests/unit/test_rooms.py tests/unit/relaionet/test_faces.py

# what takes longer than a commit should wait: examples, kills and rounds ten times as many, and the lines covered
nightly: studio clip-retrieval flax
	RELAIONET_TEST_DEPTH=10 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --progress --durations=30 -n 2 --dist loadfile -o timeout=20000 \
	  $(foreach room,relaionet $(ROOMS),--cov=$(room)) --cov-report=term:skip-covered --cov-fail-under=90
	# atheris looks for inputs that reach further; it has no wheel for every Python, and is left out where it has none
	$(BIN)/pip install --quiet --target build/atheris --no-deps 'atheris>=3' && for target in tar packed json toml npy npz pickle safetensors; do \
	  PYTHONPATH=build/atheris $(BIN)/python -m tests.fuzz.guided $$target -runs=125000 || exit 1; done || test ! -d build/atheris/atheris

bench: setup
	$(BIN)/python -m tests.bench $(ONLY)

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup
	$(BIN)/pip install --quiet uv==$(UV_VERSION)
	$(UV) --extra cpu -o requirements.lock
	$(UV) --extra gpu -o requirements-gpu.lock

clean:
	rm -rf .venv .types build runs *.egg-info
