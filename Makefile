# The project's verbs. Each does all of its own set-up, in a virtual environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve bench test test-slow test-gpu lint format vectors integrations tools wheel train clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml $(VENV)/pyvenv.cfg
	$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml $(VENV)/pyvenv.cfg
	$(PIP) install --editable '.[test]'
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed ## Start the daemon and open its page
	$(BIN)/mirage demo

serve: $(VENV)/.installed ## Start the daemon
	$(BIN)/mirage serve

bench: $(VENV)/.installed-test ## Measure this machine
	$(BIN)/mirage bench

tools: $(VENV)/.installed-test ## Install what tests need beyond pip (Chromium, Godot, Xvfb), into the user's cache
	$(BIN)/python tests/tools/install.py

test: tools ## Run the tests
	$(BIN)/pytest

test-slow: tools ## Run every test that needs no GPU, the slow ones too
	$(BIN)/pytest -m "not gpu"

test-gpu: tools ## Run the tests that need a CUDA device
	$(BIN)/pytest -m gpu

lint: $(VENV)/.installed-test ## Check style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python protocol/generate_vectors.py --check
	$(BIN)/python integrations/generate.py --check

format: $(VENV)/.installed-test ## Put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

vectors: $(VENV)/.installed-test ## Write the protocol's test vectors again
	$(BIN)/python protocol/generate_vectors.py

integrations: $(VENV)/.installed-test ## Write again what the integrations know of the parameters
	$(BIN)/python integrations/generate.py

wheel: $(VENV)/.installed-test ## Build the wheel into dist/
	$(BIN)/python -m build --wheel

train: $(VENV)/.installed-test ## Train the embedded model (hours; goes on where it was interrupted)
	$(BIN)/mirage train lsd

clean: ## Remove what was built, but not checkpoints
	rm -rf $(VENV) dist build
