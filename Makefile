# Two commands: `make run` starts the page, `make test` proves it. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PYTHONS ?= python3.11 python3.12
TORCHES ?= 2.11.0 2.13.0

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test test-ray check docs format bench slow test-all screenshots images replicas test-matrix clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.runtime: requirements.txt constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@

$(VENV)/.browser: tools/install_browser.sh tools/install_debian.sh
	sh tools/install_browser.sh
	@touch $@

$(VENV)/.weights: $(VENV)/.runtime llm_core/catalog.toml
	$(BIN)/python -m llm_core pull --embedded
	@touch $@

setup: $(VENV)/.runtime $(VENV)/.weights ## Make .venv and fetch the embedded models

setup-dev: setup $(VENV)/.dev $(VENV)/.browser ## As setup, and what tests and training need (Chromium included)

run: setup ## Start the page on http://127.0.0.1:7860 (options: make run ARGS="--port 8000")
	$(BIN)/python app.py $(ARGS)

test: setup-dev ## Run the tests (options: make test ARGS="tests/tasks -k sentiment")
	$(BIN)/python -m pytest $(ARGS)

$(VENV)-ray/.installed: requirements-ray.txt requirements-dev.txt requirements.txt constraints.txt
	test -x $(VENV)-ray/bin/python || $(PYTHON) -m venv $(VENV)-ray
	$(VENV)-ray/bin/python -m pip install --quiet -r requirements-ray.txt -r requirements-dev.txt
	@touch $@

test-ray: $(VENV)-ray/.installed ## Run the tests of tables on Ray, in an environment that has it
	$(VENV)-ray/bin/python -m pytest tests/ray $(ARGS)

check: $(VENV)/.dev ## Format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PATH="$(BIN):$$PATH" $(BIN)/lint-imports

docs: $(VENV)/.dev ## Rewrite the generated tables of the README
	$(BIN)/python tools/update_readme.py

format: $(VENV)/.dev ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup-dev ## Measure speed and memory against the named peers, as tables
	$(BIN)/python -m llm_core bench $(ARGS)

screenshots: setup-dev ## Take the README's pictures and its GIF anew, on embedded models
	$(BIN)/python -m tools.make_screenshots

images: setup-dev ## Draw the page's icon and the picture of shared links from their SVG sources
	$(BIN)/python -m tools.draw_images

slow: setup-dev ## Load, soak and long quality runs
	sh tools/install_nginx.sh
	$(BIN)/python -m pytest -m slow $(ARGS)

test-all: test slow ## All tests, slow ones too

replicas: setup-dev ## Three replicas behind nginx: visitors stay with one, and survive its end
	sh tools/install_nginx.sh
	$(BIN)/python -m pytest -m slow tests/deploy/test_replicas.py $(ARGS)

test-matrix: setup ## The tests but those of the browser, on Python 3.11 and 3.12 with torch 2.11 and 2.13 (PYTHONS, TORCHES)
	for python in $(PYTHONS); do for torch in $(TORCHES); do \
		sh tools/test_matrix.sh $$python $$torch $(ARGS) || exit 1; done; done

train-%: setup-dev ## Reproduce a trained model, such as make train-qa-en (data: LLM_CORE_DATA_DIR or the Hub)
	$(BIN)/python -m llm_core train $* $(ARGS)

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) $(VENV)-ray .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
