import asyncio
import importlib.metadata
import os
import sys

import anyio
import dagger
import pytest
from dagger import TypeDefKind

import slipway.main
from slipway.commands.command import AwsAccess
from slipway.commands.table import FUNCTIONS
from slipway.objects import client
from tests.graph.conftest import Engine, speaking

ON_DAGGER = {command.name: command for command in FUNCTIONS if not command.not_on_dagger}
USES_AWS = {name for name, command in ON_DAGGER.items() if command.access is not AwsAccess.NONE}
NEVER_CACHED = USES_AWS | {
    "service", "database", "rehearse", "certificate", "permissions", "lock", "revision",
}  # fmt: skip
# Of v0.21.8 and v1.0.0-beta.10: a function's argument of such a name ends every call there with `flag already exists`.
FLAGS_OF_THE_CLI = {
    "auto-apply", "cloud", "debug", "eager-runtime", "env", "help", "interactive", "interactive-command", "json",
    "load-module", "mod", "no-exit", "no-load-module", "no-mod", "output", "profile", "progress", "quiet", "scale-out",
    "silent", "verbose", "web", "workdir", "workspace", "x-release",
}  # fmt: skip
CHECKS = {"lint", "migrations", "smoke", "tests", "types"}


@pytest.fixture(scope="module")
async def registration(tmp_path_factory):
    """Registration as an engine starts it: the runtime's own entry point, in a process of its own."""
    file = tmp_path_factory.mktemp("module") / "module.json"
    run = "from dagger.mod.cli import app; app(register=True)"
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {run}"
    async with speaking(Engine({})) as (engine, variables):
        variables |= {"DAGGER_MAIN_OBJECT": "Slipway", "DAGGER_MODULE_FILE": str(file)}
        done = await anyio.run_process([sys.executable, "-c", code], env=os.environ | variables)
    assert file.exists()
    return engine, set(done.stdout.decode().split())


@pytest.fixture(scope="module")
def registered(registration):
    engine, _ = registration
    return engine


@pytest.mark.slow
async def test_the_module_registers_every_function_with_its_sentence(registered):
    functions = [step.arguments for step in registered.steps("function") if "name" in step.arguments]
    described = [step.arguments["description"] for step in registered.steps("withDescription")]
    names = {arguments["name"] for arguments in functions}
    assert set(ON_DAGGER) <= names
    assert {command.doc for command in ON_DAGGER.values()} <= {words.partition("\n")[0] for words in described}


def cached(registered, policy):
    return {
        chain_name(chain)
        for chain in registered.chains
        for step in chain
        if step.name == "withCachePolicy" and policy in step.arguments["policy"]
    }


@pytest.mark.slow
async def test_a_function_that_uses_aws_or_reads_a_clock_or_makes_a_password_is_never_cached(registered):
    assert cached(registered, "Never") == NEVER_CACHED


@pytest.mark.slow
async def test_proofs_depend_on_the_date_and_are_cached_for_a_session(registered):
    assert cached(registered, "PerSession") == {"gate", "migrations"}


@pytest.mark.slow
async def test_the_checks_are_just_these_and_need_no_argument_but_the_workspace(registered):
    checks = [chain for chain in registered.chains if any(step.name == "withCheck" for step in chain)]
    assert {chain_name(chain) for chain in checks} == CHECKS
    for chain in checks:
        required = [step.arguments for step in chain if step.name == "withArg" and step.arguments["name"] != "ws"]
        assert required == []


@pytest.mark.slow
async def test_no_argument_has_the_name_of_a_flag_of_the_cli_itself(registered):
    arguments = {step.arguments["name"] for step in registered.steps("withArg")}
    assert "ws" in arguments
    assert not arguments & FLAGS_OF_THE_CLI


def test_every_function_and_field_of_the_objects_is_registered():
    objects = slipway.main.Slipway.__dagger_module__._objects
    members = {name: {*made.functions, *made.fields} for name, made in objects.items()}
    assert (members.pop("Slipway") | members.pop("Environment")) - {""} == set(ON_DAGGER)
    verdict = {"verdict", "summary", "sync", "report"}
    assert members == {"Gate": {*verdict, "proof", "certificate"}, "Rehearsal": verdict}


def test_a_step_of_a_query_makes_no_converter(monkeypatch):
    monkeypatch.setattr(client, "_make_converter", None)
    assert dagger.dag.container().from_("python:3.14-slim").with_exec(["id"])


@pytest.mark.slow
async def test_a_registration_asks_once_for_each_type_and_for_nearly_all_at_once(registered):
    types = [repr(chain) for chain in registered.chains if chain[0].name == "typeDef"]
    assert len(types) == len(set(types))
    assert len(registered.queries) < 10


async def test_a_failed_query_fails_all_that_wait_for_its_ids(engine, monkeypatch):
    async def refuse(self, query):
        raise dagger.TransportError("closed")

    monkeypatch.setattr(type(dagger.dag._ctx.conn.session), "execute", refuse)
    kinds = (TypeDefKind.STRING, TypeDefKind.INTEGER, TypeDefKind.STRING)
    definitions = client.Definitions()
    asked = [definitions.id_of(dagger.dag.type_def().with_kind(kind)) for kind in kinds]
    errors = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(error) for error in errors] == ["closed"] * 3


def test_the_entry_point_names_the_main_object():
    (entry,) = importlib.metadata.entry_points(group="dagger.mod")
    assert entry.load() is slipway.main.Slipway


@pytest.mark.slow
async def test_registration_imports_nothing_heavy(registration):
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
    _, imported = registration
    assert "slipway.main" in imported
    assert not heavy & imported


def chain_name(chain):
    return next(step.arguments["name"] for step in chain if step.name == "function")
