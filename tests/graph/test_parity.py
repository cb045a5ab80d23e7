"""The Dagger object offers what the command line does: names, flags, sentences and verdicts come from one registry."""

import inspect
import typing

import dagger
import pytest

import slipway
from slipway.commands.command import Command
from slipway.commands.flags import EVERYWHERE
from slipway.commands.table import FUNCTIONS
from slipway.main import Environment, FunctionError, Gate, Rehearsal, Slipway
from slipway.objects.call import Call
from slipway.report.answers.result import CommandResult

# Arguments of Dagger functions for which the command line has no flag.
ONLY_ON_DAGGER = {"gate": {"postgres", "previous"}}
ON_DAGGER = [command for command in FUNCTIONS if not command.not_on_dagger]
SHARED = [command for command in ON_DAGGER if command.run]


def functions(kind):
    return {name: each for name, each in vars(kind).items() if hasattr(each, "__dagger_function__")}


def function_of(command: Command):
    return functions(Environment if command.of_environment else Slipway)[command.name]


def arguments_of(function):
    hints = typing.get_type_hints(function, include_extras=True)
    return {name: hints[name] for name in inspect.signature(function).parameters if name not in {"self", "ws"}}


def test_dagger_has_a_function_for_each_command_but_those_that_say_why_not():
    names = {*functions(Slipway), *functions(Environment)}
    assert names == {command.name for command in ON_DAGGER}
    for command in FUNCTIONS:
        assert command.run or not command.not_on_dagger


@pytest.mark.parametrize("command", SHARED, ids=lambda command: command.name)
def test_a_function_takes_the_flags_of_its_command_with_their_sentences(command):
    arguments = arguments_of(function_of(command))
    flags = {flag.key: flag for flag in command.flags if not flag.not_on_dagger}
    assert set(arguments) == set(flags) | ONLY_ON_DAGGER.get(command.name, set())
    for name, flag in flags.items():
        (doc,) = typing.get_args(arguments[name])[1:]
        assert doc.documentation == flag.doc
        assert flag.doc.count("(default: ") <= 1


@pytest.mark.parametrize("command", ON_DAGGER, ids=lambda command: command.name)
async def test_a_function_is_described_by_the_sentence_of_its_command(command):
    definition = function_of(command).__dagger_function__
    assert definition.doc.partition("\n")[0] == command.doc
    assert "`" not in definition.doc
    assert definition.cache == (command.cache or None)


def test_no_sentence_of_dagger_has_back_quotes():
    """They break the CLI's `--help`."""
    assert "`" not in slipway.__doc__
    for kind in (Slipway, Environment, Gate, Rehearsal):
        hints = [typing.get_type_hints(kind, include_extras=True), *map(arguments_of, functions(kind).values())]
        each = [getattr(kind, name).__dagger_function__.doc for name in functions(kind)]
        assert not [doc for doc in [kind.__doc__, *each] if "`" in (doc or "")]
        parts = [part for hint in hints for kept in hint.values() for part in typing.get_args(kept)[1:]]
        docs = [part.documentation for part in parts if isinstance(part, dagger.Doc)]
        assert docs
        assert not [doc for doc in docs if "`" in doc]


def passed(command):
    """A value for each argument that has no default."""
    parameters = inspect.signature(function_of(command)).parameters.values()
    return {each.name: "x" for each in parameters if each.name != "self" and each.default is each.empty}


@pytest.mark.parametrize("code", [0, 1, 3])
@pytest.mark.parametrize(
    "command",
    [each for each in SHARED if not each.never_red and each.name not in {"gate", "rehearse"}],  # those return objects
    ids=lambda command: command.name,
)
async def test_a_function_is_red_unless_the_exit_code_is_0(monkeypatch, command, code):
    async def run(_flags, _caller):
        return CommandResult(record=None, text="the answer", code=code)

    monkeypatch.setitem(command.__dict__, "run", run)
    there = Environment(name="staging", path=".") if command.of_environment else Slipway()
    call = function_of(command)(there, **passed(command))
    if code == 0:
        assert await call == "the answer"
        return
    with pytest.raises(FunctionError, match=r"^the answer$"):
        await call


async def test_a_function_runs_its_command_with_every_argument(monkeypatch):
    seen = {}

    async def run(flags, caller):
        seen.update(vars(flags), starts=caller.starts)
        return CommandResult(record=None, text="")

    for command in SHARED:
        monkeypatch.setitem(command.__dict__, "run", run)
    environment = Environment(name="staging", path=".")
    await environment.promote(None, to="production", without_certificate="because", dry_run=True, without_start=True)
    assert (seen["from_"], seen["to"], seen["without_certificate"]) == ("staging", "production", "because")
    assert (seen["dry_run"], seen["starts"], seen["certificate"]) == (True, False, None)
    await environment.rollback(None, to=3)
    assert (seen["environment"], seen["to"], seen["dry_run"], seen["starts"]) == ("staging", 3, False, True)
    assert not any(seen[flag.key] for flag in EVERYWHERE)  # commands read them


async def test_files_of_a_call_are_read_by_the_engine(engine, workspace):
    engine.files["proof.json"] = "{}"
    file = dagger.dag.directory().file("proof.json")
    assert await Call().text(file, "the proof") == "{}"
