# Every target is one call. `make rehearse` and `make test` need only make, git and a python3 of 3.11 or newer with venv.

# A distribution's interpreter comes first: unlike most that pyenv builds, it is compiled with profiles, and the tests need a fifth less time.
PYTHON ?= $(shell for name in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$name" && break; done)
UV := $(or $(shell command -v uv),.uv/bin/uv)
RUN := $(UV) run --project ci --frozen --all-extras --no-progress
# One more than there are processors: tests wait for Postgres and for other processes.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PYTEST := $(RUN) -- pytest --numprocesses $(WORKERS) --dist worksteal

# ci/.python-version names the interpreter of the Dagger module; here any supported interpreter will do.
export UV_PYTHON := $(shell "$(PYTHON)" -c 'import sys; print(sys.executable)' 2>/dev/null)
export NO_MKDOCS_2_WARNING := 1
unexport PYTHONDONTWRITEBYTECODE  # otherwise each of hundreds of processes compiles its imports again

.PHONY: rehearse conformance test fast full distributions bench bench-image clean

TARGET ?= ecs-express
rehearse: $(UV)  ## play the way to production on this machine, without an AWS account
	$(RUN) -- slipway rehearse --target $(TARGET) --report report

conformance: $(UV)  ## run the conformance suite against the simulator, or with ACCOUNT=… REGION=… against AWS
	$(RUN) -- slipway conformance $(if $(ACCOUNT),--account $(ACCOUNT)) $(if $(REGION),--region $(REGION))

test: lint  ## run the linters and every test
	$(PYTEST) -rs

fast: $(UV)  ## run the tests that start no process and take less than half a second
	$(PYTEST) -m "not slow"

full: $(UV)  ## run the slow tests: whole plays, servers, processes, and a Dagger engine if there is one
	$(PYTEST) -m slow -rs

# The longest step comes first; the others run beside it.
LINT := lint-types site lint-workflows lint-contracts lint-dependencies lint-style
.PHONY: lint $(LINT)

lint: $(UV)  ## check style, types, import contracts, dependencies, workflows and the docs site
	$(RUN) -- true
	$(MAKE) --no-print-directory --jobs 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) $(LINT)

lint-types: $(UV)
	$(RUN) -- mypy

lint-style: $(UV)
	$(RUN) -- ruff check .
	$(RUN) -- ruff format --check .

lint-contracts: $(UV)
	$(RUN) -- lint-imports --config ci/pyproject.toml --no-cache

lint-dependencies: $(UV)
	$(RUN) -- deptry --config ci/pyproject.toml ci/src
	$(RUN) -- deptry --config ci/pyproject.toml --ignore DEP002,DEP004 \
		--exclude tests/foreign/aws_cli --exclude tests/gate/histories tests docs benchmarks app migrations

lint-workflows: $(UV)
	$(RUN) -- check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(RUN) -- check-jsonschema --builtin-schema vendor.github-actions actions/*/action.yml
	$(RUN) -- check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(RUN) -- zizmor --offline --pedantic --strict-collection --quiet --no-progress .github actions

# Without --quiet, which would hide the warnings that --strict counts.
site: $(UV)  ## build the documentation into site/, which also checks its links
	$(RUN) -- mkdocs build --strict

distributions: $(UV)  ## build both wheels into dist/ and try them as their users do; with BESIDE=1 beside old libraries on every Python
	UV="$(abspath $(UV))" $(RUN) -- python distributions/release.py $(if $(TAG),--tag "$(TAG)") $(if $(BESIDE),--beside)

# Isolated, because pytest-alembic loads itself into every pytest of its environment, and ours does not start beside it.
bench: $(UV)  ## measure the gate and its peers and draw the plot; takes a quarter of an hour
	$(RUN) --isolated --group bench -- python benchmarks/run.py --plot benchmarks/gate.svg

bench-image: $(UV)  ## measure images and checks beside docker build; empties the caches of dockerd and of the engine
	$(RUN) -- python benchmarks/image.py

.uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "slipway needs a python3 of 3.11 or newer with venv" >&2; exit 2; }
	"$(PYTHON)" -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9

clean:
	rm -rf .uv ci/.venv report site .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Generated from docs/tasks.toml by `make tasks`.
.PHONY: gate gate-in-containers image rehearse-in-containers up simulator doctor pages tasks checks migrations smoke

gate: $(UV)  ## test all migrations on this machine, without an engine
	$(RUN) -- slipway gate --all-revisions

gate-in-containers:  ## test the migrations in containers; fail when the gate refuses them
	dagger call gate

image:  ## build the service's image into image.tar, for docker load
	dagger call image export --path image.tar

rehearse-in-containers:  ## play the way to production with images and containers; fail when an act does not go as planned
	dagger call rehearse

up:  ## start the service on its port, beside a migrated Postgres
	dagger up

simulator: $(UV)  ## start the simulated account; one minute of the platform takes a second
	$(RUN) -- slipway simulator --speed 60

doctor: $(UV)  ## check what slipway needs on this machine
	$(RUN) -- slipway doctor

pages: $(UV)  ## write the reference pages from the code
	$(RUN) -- python docs/make.py

tasks: $(UV)  ## write the tasks of make and of editors from docs/tasks.toml
	$(RUN) -- python docs/tasks.py

checks:  ## run every check of the Dagger module in containers
	dagger check

migrations:  ## fail when the gate refuses the migrations
	dagger call migrations

smoke:  ## fail when the image does not become healthy
	dagger call smoke
# End of the generated part.
