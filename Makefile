# `make train` and `make test` need python3 and make, nothing else: everything is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
# Several: EXTRAS=dev,timm,notebooks
EXTRAS ?= dev

.PHONY: train test test-all install lint docs tensorboard bench
.DEFAULT_GOAL := train

train: install
	$(BIN)/python train.py

test: install
	$(BIN)/python -m pytest

test-all: install
	$(BIN)/python -m pytest -m "not gpu"

install: .venv/installed-$(EXTRAS)

# uv installs the 5 GB of torch in 20 s where pip takes two minutes; a second clone shares its files. Compiled here, as
# where Python is told to write no bytecode each start would compile torch and lightning anew.
.venv/installed-$(EXTRAS): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode --editable ".[$(EXTRAS)]"
	@touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pages in site/, made of the docstrings, the configs and the README; a broken link is an error.
docs:
	$(MAKE) install EXTRAS=$(EXTRAS),docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

tensorboard: install
	$(BIN)/tensorboard --logdir logs --host 127.0.0.1

bench: install
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/input_pipeline.py
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/sequence_step.py
	$(BIN)/python benchmarks/adversarial_step.py
	$(BIN)/python benchmarks/generation.py
	$(BIN)/python benchmarks/safety.py
