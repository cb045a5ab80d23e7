# Every target is one call. `make rehearse` and `make test` need nothing but make, git and a python3 of 3.11 or newer with venv.

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$name" && break; done)
UV := $(or $(shell command -v uv),.uv/bin/uv)
RUN := $(UV) run --project ci --frozen --all-extras --no-progress
PARALLEL := --numprocesses auto --maxprocesses 4 --dist worksteal

# ci/.python-version names the interpreter of the Dagger module; on this machine the one that is here must do.
export UV_PYTHON := $(shell "$(PYTHON)" -c 'import sys; print(sys.executable)' 2>/dev/null)

.PHONY: rehearse conformance test fast full lint bench bench-image clean

rehearse: $(UV)  ## the whole way to production on this machine, without an account
	$(RUN) -- slipway rehearse --report report

conformance: $(UV)  ## hold what the simulator says of AWS against itself, or with ACCOUNT=… REGION=… against a real account
	$(RUN) -- slipway conformance $(if $(ACCOUNT),--account $(ACCOUNT)) $(if $(REGION),--region $(REGION))

test: lint fast full  ## everything: lint, types, contracts, tests

fast: $(UV)  ## the tests that take no time
	$(RUN) -- pytest $(PARALLEL) -m "not slow"

full: $(UV)  ## the others: whole plays, servers, processes, and a Dagger engine where there is one
	$(RUN) -- pytest $(PARALLEL) -m slow -rs

lint: $(UV)
	$(RUN) -- ruff check .
	$(RUN) -- ruff format --check .
	$(RUN) -- mypy
	$(RUN) -- lint-imports --config ci/pyproject.toml --no-cache
	$(RUN) -- check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(RUN) -- check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(RUN) -- zizmor --offline --pedantic --strict-collection --quiet --no-progress .github

# In an environment of its own: pytest-alembic loads itself into every pytest beside it, and ours does not start with it.
bench: $(UV)  ## figures side by side with peers, and the plot of them; takes a quarter of an hour
	$(RUN) --isolated --group bench -- python benchmarks/run.py --plot benchmarks/gate.svg

bench-image: $(UV)  ## the same of the image and of the checks, beside docker build; empties the caches of dockerd and of the engine
	$(RUN) -- python benchmarks/image.py

.uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "slipway needs a python3 of 3.11 or newer with venv" >&2; exit 2; }
	"$(PYTHON)" -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9

clean:
	rm -rf .uv ci/.venv report .mypy_cache .ruff_cache .pytest_cache .hypothesis

# From docs/tasks.toml, by `make tasks`.
.PHONY: gate image prove rehearse-in-containers up simulator doctor pages tasks checks migrations smoke

gate:  ## execute the migrations in containers; the reports go to report/
	dagger call gate export --path report

image:  ## build the service's image
	dagger call image

prove: $(UV)  ## execute the migrations on this machine, without an engine
	$(RUN) -- slipway gate

rehearse-in-containers:  ## the whole way to production with images and containers; the page is report/index.html
	dagger call rehearse export --path report

up:  ## the service on its port, beside a Postgres that has been migrated
	dagger up

simulator: $(UV)  ## the simulated account alone; a minute of the platform's is a second
	$(RUN) -- slipway simulator --speed 60

doctor: $(UV)  ## look at what slipway needs on this machine
	$(RUN) -- slipway doctor

pages: $(UV)  ## write the reference pages from the code
	$(RUN) -- python docs/make.py

tasks: $(UV)  ## write the tasks of make and of editors from docs/tasks.toml
	$(RUN) -- python docs/tasks.py

checks:  ## every check of the module, in containers
	dagger check

migrations:  ## red when the gate refuses the migrations
	dagger call migrations

smoke:  ## red when the image does not become healthy
	dagger call smoke
# The end of what is from docs/tasks.toml.
