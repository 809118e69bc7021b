# Naiad: `make demo` and `make test` start from nothing but Python 3.11 and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Certificates of this system, as pip uses them; uv's own know no company's.
export UV_SYSTEM_CERTS := true
# ONNX Runtime 1.32 reports home when imported.
export ORT_DISABLE_TELEMETRY := 1
READY := $(VENV)/.ready
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo check test lock clean

help:  ## show this help
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# uv, because pip 24 and newer refuse merlin-dataloader's metadata; UV_FIND_LINKS lets it see a local build of torch.
$(READY): requirements/lock.txt
	@command -v $(PYTHON) >/dev/null || { echo "naiad needs $(PYTHON) (NVTabular's pandas has no build for newer ones): install it or set PYTHON=" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" $(BIN)/uv pip install -q --python $(BIN)/python -r requirements/lock.txt
	touch $@

setup: $(READY)  ## create the environment in .venv from the lock

demo: $(READY)  ## the whole chain: log -> preprocess -> train -> export -> verify -> serve -> recommend -> measure
	$(BIN)/python -m benchmarks.demo

check: $(READY)  ## ruff, mypy, import-linter, hadolint, yamllint, shellcheck
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy model_repository/preprocess_nvtabular/1/model.py
	$(BIN)/mypy model_repository/item_index/1/model.py
	$(BIN)/mypy model_repository/user_embedding/1/model.py
	$(BIN)/lint-imports --cache-dir .cache/import_linter
	$(BIN)/hadolint docker/*.Dockerfile
	$(BIN)/yamllint --strict docker .yamllint
	$(BIN)/shellcheck .ci/run docker/check-image.sh

# A worker takes tests from another one only at the end of its own, so that most servers start once.
test: $(READY)  ## run every test, including those on the real Triton server; WORKERS=2: two at once
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# torch anew at each resolution: the lock names it without the local build that was resolved, which drags no CUDA along.
lock: $(READY)  ## resolve requirements/lock.txt again (without index or file URLs)
	UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" $(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links --no-header --upgrade-package torch --output-file requirements/lock.txt -q
	sed -i 's/^torch==\([0-9.]*\)+[a-z0-9]*/torch==\1/' requirements/lock.txt

clean:  ## remove all generated files
	rm -rf $(VENV) runs .cache .mypy_cache .ruff_cache .pytest_cache
