"""`--json` of every command prints one record that fits its schema."""

import json
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from jsonschema import Draft202012Validator

from slipway.cli import perform, run
from slipway.commands.grammar import parse
from slipway.commands.table import COMMANDS
from slipway.records.command import CommandRun
from slipway.records.form import to_json
from slipway.records.migration import Migration
from slipway.records.outcome import Outcome, Status, Verb
from slipway.records.proof import Coverage, Proof, Verdict, Versions
from slipway.records.rehearsal import Act, Rehearsal
from slipway.workload.python import READY
from tests.release.direct import send_directly
from tests.simulator.account import INSTANCE_ROLE, URI, Account

SCHEMAS = Path(__file__).parents[2] / "docs/schemas"
NAMES = [command.name for command in COMMANDS]
PROOF = Proof(gate=Versions(gate="0.1.0", python="3.13", sqlalchemy="2.0", alembic="1.16", driver="psycopg"), postgres="18", history="0" * 64, heads=("a",), revisions=(), findings=(), coverage=Coverage(revisions=0, new=0, statements=0), verdict=Verdict.PASS)  # fmt: skip
ABORTED = Outcome(
    service="notes",
    environment="staging",
    status=Status.SUCCEEDED,
    verb=Verb.ABORT,
    requested="",
    live=None,
    url=None,
    seconds=9.0,
)
REHEARSAL = Rehearsal(
    service="notes",
    revision="0123",
    postgres="PostgreSQL 18",
    acts=(Act(name="I", title="goes", happened="it went", how="here", passed=True, seconds=1.0),),
    traffic=None,
)


@dataclass
class World:
    """A folder, and an account with an image."""

    folder: Path
    account: Account
    digest: str

    @property
    def somewhere(self):
        return ["--source", str(self.folder), "--endpoint-url", self.account.cloud.url]

    @property
    def staging(self):
        return [*self.somewhere, "--environment", "staging"]

    @property
    def image(self):
        return [*self.staging, "--image", f"{URI}@{self.digest}"]


class Runner:
    async def migrate(self, _tell):
        return Migration(before=("aaa",), after=("bbb",), applied=("bbb",), attempts=1, seconds=0.5)


# How each command is called, the record it prints, and its exit code; a command without an entry fails below.
ASKED = {
    "init": (lambda world: ["--source", str(world.folder)], "adoption", 1),  # it has no history
    "gate": (lambda world: ["--source", str(world.folder)], "proof", 0),
    "services": (lambda world: ["--source", str(world.folder)], "services", 0),
    "certificate": (lambda world: ["--proof", str(world.folder / "proof.json")], "certificate", 0),
    "rehearse": (lambda world: ["--source", str(world.folder)], "rehearsal", 0),
    "simulator": (lambda _: [], "listening", 0),
    "preflight": (lambda world: world.image, "preflight", 0),
    "plan": (lambda world: world.image, "plan", 0),
    "deploy": (lambda world: world.image, "outcome", 0),
    "status": (lambda world: world.staging, "situation", 0),
    "open": (lambda world: world.staging, "address", 0),
    "history": (lambda world: world.staging, "history", 0),
    "promote": (lambda world: [*world.somewhere, "--from", "staging", "--to", "production"], "outcome", 0),
    "rollback": (lambda world: [*world.staging, "--without-certificate", "there is no database"], "outcome", 0),
    "migrate": (lambda world: world.image, "migration", 0),
    "bootstrap": (lambda world: [*world.staging, "--github", "OWNER/NAME"], "bootstrap", 0),
    "permissions": (
        lambda world: ["--source", str(world.folder), "--environment", "staging", "--command", "pause"],
        "permissions",
        0,
    ),
    "logs": (lambda world: [*world.staging, "--since", "1h"], "log", 0),
    "secret": (lambda world: ["list", *world.staging], "secret-list", 0),
    "run": (lambda world: [*world.staging, "--", "python", "--version"], "command-run", 7),
    "diagnose": (lambda world: world.staging, "examination", 0),
    "pause": (lambda world: world.staging, "outcome", 0),
    "abort": (lambda world: world.staging, "outcome", 0),
    "move": (lambda world: [*world.staging, "--to", "ecs-express"], "outcome", 0),
    "resume": (lambda world: world.staging, "outcome", 0),
    "destroy": (lambda world: [*world.staging, "--confirm", "notes-staging"], "outcome", 0),
    "conformance": (lambda _: ["--estimate"], "estimate", 0),
    "doctor": (lambda world: ["--source", str(world.folder), "--offline"], "doctorreport", 1),
    "cache": (lambda _: [], "cachereport", 0),
    "explain": (lambda _: ["L01"], "explanation", 0),
    "completion": (lambda _: ["bash"], "completion", 0),
}
OF_WHAT_IS_LIVE = ("promote", "rollback", "diagnose", "pause", "resume", "destroy")


PRODUCTION = f"""
[tool.slipway.environments.production]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "{INSTANCE_ROLE}"
"""


@pytest.fixture
async def world(account, service, monkeypatch):
    """The world, with stand-ins for the commands that take long; those have tests of their own."""

    async def proves(*_, **__):
        return PROOF

    async def migrating(*_, **__):
        return Runner()

    async def runs(_environment, command, _tell, _heard):
        assert command == ["python", "--version"]
        return CommandRun(environment="staging", image="notes", task="0123", exit_code=7)

    async def rehearses(*_, **__):
        return REHEARSAL

    async def aborts(*_):
        return ABORTED  # App Runner, where this story plays, cannot

    async def nothing(*_):
        return None

    class Moves:
        async def forward(self, *_):
            return ABORTED

        plan = forward

    monkeypatch.setattr("anyio.sleep_forever", anyio.lowlevel.checkpoint)  # so the simulator ends at once
    monkeypatch.setattr("slipway.local.gate.gate", proves)
    monkeypatch.setattr("slipway.environment.environment.ServiceEnvironment.migrating", migrating)
    monkeypatch.setattr("slipway.rehearsal.local.rehearse", rehearses)
    monkeypatch.setattr("slipway.environment.one_off.run", runs)
    monkeypatch.setattr("slipway.environment.environment.abort", aborts)
    monkeypatch.setattr("slipway.environment.bootstrap.check_new", nothing)  # the roles are there already
    monkeypatch.setattr("slipway.environment.move.moving", lambda _environment, **_: Moves())
    send_directly(monkeypatch, account.cloud)
    environment = service / "cache/slipway/environments/0123"  # to measure this machine's takes long
    environment.mkdir(parents=True)
    (environment / READY).touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(service / "cache"))
    with (service / "pyproject.toml").open("a") as settings:
        settings.write(PRODUCTION)
    (service / "proof.json").write_text(to_json(PROOF))
    return World(service, account, await account.image())


@pytest.mark.slow
async def test_every_command_answers_with_one_record_and_prints_nothing_else(world, capsys):
    """One story: every command once, those that need a live service after two deployments, `destroy` last."""
    assert set(ASKED) == set(NAMES)
    await perform(parse(["deploy", *world.staging, "--image", f"{URI}@{await world.account.image()}"]))
    capsys.readouterr()
    for command in [*(command for command in ASKED if command not in OF_WHAT_IS_LIVE), *OF_WHAT_IS_LIVE]:
        options, record, code = ASKED[command]
        assert (command, await perform(parse([command, "--json", *options(world)]))) == (command, code)
        answer = json.loads(capsys.readouterr().out)
        assert answer["schema"] == f"slipway/{record}/1"
        Draft202012Validator(json.loads((SCHEMAS / f"{record}-1.json").read_text())).validate(answer)


async def test_the_simulator_prints_its_address_in_one_line(world, capsys):
    await perform(parse(["simulator", "--json"]))
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["url"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("command", NAMES)
def test_the_error_of_every_command_is_a_record_too(capsys, tmp_path, command):
    """Each command line names something missing, or lacks a flag."""
    wrong = {"simulator": ["--port", "70000"], "explain": ["L99"], "completion": ["tcsh"]}
    options = wrong.get(command, ["--source", str(tmp_path / "nowhere")])
    assert run([command, *options, "--json"]) == 2
    said, sentence = capsys.readouterr()
    refusal = json.loads(said)
    Draft202012Validator(json.loads((SCHEMAS / "refusal-1.json").read_text())).validate(refusal)
    assert (refusal["schema"], refusal["exit_code"]) == ("slipway/refusal/1", 2)
    assert sentence == f"slipway: {refusal['what']}: {refusal['next_step']}\n"


def test_every_record_is_one_that_the_description_of_the_command_names():
    for command in COMMANDS:
        assert ASKED[command.name][1] in {each.record for each in command.records}


def test_an_unexpected_exception_is_an_error_too(capsys, monkeypatch):
    async def fails(*_, **__):
        raise TypeError("surprise")

    monkeypatch.setattr("slipway.local.simulator.simulate", fails)
    assert run(["simulator", "--json"]) == 3
    said, sentence = capsys.readouterr()
    assert json.loads(said)["what"] == "unexpected TypeError: surprise"
    assert "--debug" in sentence


def test_a_program_that_this_machine_lacks_is_named_in_one_sentence(capsys, monkeypatch):
    async def fails(*_, **__):
        async with anyio.create_task_group():  # whose error is a group
            await anyio.run_process(["chwon", "x"])

    monkeypatch.setattr("slipway.local.simulator.simulate", fails)
    assert run(["simulator", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["what"].startswith("the program chwon cannot be started (No such file")
