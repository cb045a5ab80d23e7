import importlib.metadata
import os
import subprocess
import sys

import anyio
import pytest

import slipway
import slipway.main

OF_AN_ENVIRONMENT = {
    "migrate",
    "plan",
    "deploy",
    "promote",
    "rollback",
    "status",
    "history",
    "diagnose",
    "pause",
    "resume",
    "destroy",
}
NEVER_CACHED = {"rehearse", "publish", "environment"} | OF_AN_ENVIRONMENT
CHECKS = {"lint", "migrations", "smoke", "tests", "types"}


@pytest.fixture
async def registered(engine, tmp_path):
    """Registration as an engine starts it: the runtime's own entry point, in a process of its own."""
    told = {"DAGGER_MAIN_OBJECT": "Slipway", "DAGGER_MODULE_FILE": str(tmp_path / "module.json")}
    code = "from dagger.mod.cli import app; raise SystemExit(app(register=True))"
    await anyio.run_process([sys.executable, "-c", code], env=os.environ | told)
    assert (tmp_path / "module.json").exists()
    return engine


async def test_the_module_registers_its_verbs_with_words_for_each(registered):
    functions = [step.arguments for step in registered.steps("function") if "name" in step.arguments]
    described = [step.arguments["description"] for step in registered.steps("withDescription")]
    names = {arguments["name"] for arguments in functions}
    assert {"image", "sbom", "gate", "service", "database", *CHECKS, *NEVER_CACHED} <= names
    assert all(len(words) > 10 for words in described)


def cached(registered, policy):
    return {
        chain_name(chain)
        for chain in registered.chains
        for step in chain
        if step.name == "withCachePolicy" and policy in step.arguments["policy"]
    }


async def test_what_has_an_effect_or_reads_the_world_is_never_cached(registered):
    assert cached(registered, "Never") == NEVER_CACHED


async def test_what_the_day_decides_is_cached_for_no_longer_than_a_session(registered):
    assert cached(registered, "PerSession") == {"gate", "migrations"}


async def test_the_checks_are_just_these_and_need_no_argument_but_the_workspace(registered):
    checks = [chain for chain in registered.chains if any(step.name == "withCheck" for step in chain)]
    assert {chain_name(chain) for chain in checks} == CHECKS
    for chain in checks:
        required = [
            step.arguments for step in chain if step.name == "withArg" and "workspace" not in step.arguments["name"]
        ]
        assert required == []


def test_the_entry_point_names_the_main_object():
    (entry,) = importlib.metadata.entry_points(group="dagger.mod")
    assert entry.load() is slipway.main.Slipway


def test_the_version_of_the_package_is_the_version_of_its_distribution():
    assert importlib.metadata.version("slipway") == slipway.__version__


def test_registration_imports_nothing_heavy():
    heavy = {
        "boto3",
        "botocore",
        "jinja2",
        "starlette",
        "uvicorn",
        "sqlalchemy",
        "alembic",
        "slipway.release",
        "slipway.simulator",
        "slipway.report",
    }
    code = f"import sys, slipway.main; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def chain_name(chain):
    return next(step.arguments["name"] for step in chain if step.name == "function")
