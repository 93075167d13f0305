# The two commands and a few more. `make run` and `make test` set everything up on a machine that has Python 3.11.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
CUDA_PYTHON ?= python3
OUT ?= cuda-check
WHEELS ?=
JOBS ?= 2# test files at the same time, a thread each

.PHONY: run test check bench slow space cuda cuda-wheels clean

$(VENV)/run.stamp: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ $(VENV)/run.stamp

run: $(VENV)/run.stamp
	$(BIN)/python app.py $(ARGS)

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy

slow: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m slow

bench: $(VENV)/dev.stamp
	$(BIN)/python -m unlearn bench

cuda:  # on a machine with a GPU; it needs torch, torchvision, transformers, safetensors, numpy, pillow and the wheels below
	$(CUDA_PYTHON) -m tests.cuda_check --out '$(OUT)' $(if $(WHEELS),--wheels '$(WHEELS)') $(ARGS)

cuda-wheels: $(VENV)/run.stamp
	$(BIN)/python -m tests.cuda_check.wheels --out '$(WHEELS)'

space: $(VENV)/run.stamp
	$(BIN)/python -m assets.build.space --name '$(NAME)' $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
