"""Help, suggestions, explanations and completion, made from the registry of commands."""

import subprocess
import sys

import pytest

from slipway.cli import run
from slipway.commands.command import AwsAccess, Flag, Group
from slipway.commands.flags import EVERYWHERE, EXIT_CODES
from slipway.commands.grammar import grammar, parse
from slipway.commands.machine import explained
from slipway.commands.table import COMMANDS, FUNCTIONS
from slipway.errors import BadInputError
from slipway.gate.rulebook import all_rules
from slipway.release.bootstrap.roles import PERMISSIONS


def printed(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        run(arguments)
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_slipway_alone_lists_every_command_in_its_group(capsys):
    assert run([]) == 0
    _, *sections = capsys.readouterr().out.split(":\n")
    listed = [
        {line.split()[0] for line in section.splitlines() if line[:2] == "  " != line[2:4]} for section in sections
    ]
    groups = [group for group in Group if any(command.group is group for command in COMMANDS)]
    for group, names in zip(groups, listed, strict=False):
        assert {command.name for command in COMMANDS if command.group is group} <= names


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_of_a_command_has_its_sentence_and_every_flag(capsys, command):
    text = " ".join(printed(capsys, command.name, "--help").split())
    assert command.sentence in text
    assert EXIT_CODES in text
    for flag in (*command.flags, *EVERYWHERE):
        assert flag.sentence in text
        assert flag.positional or f"--{flag.name}" in text


def test_help_in_a_pipe_has_no_colours_and_on_a_terminal_it_has(capsys, monkeypatch):
    assert "\x1b" not in printed(capsys, "gate", "--help")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for variable in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in printed(capsys, "gate", "--help")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in printed(capsys, "gate", "--help")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["deplyo"], "there is no command 'deplyo': did you mean deploy? `slipway --help` lists the commands"),
        (["nothing-like-it"], "there is no command 'nothing-like-it': `slipway --help` lists the commands"),
        (["status", "--enviroment", "x"], "there is no flag '--enviroment': did you mean --environment? `slipway"),
        (
            ["gate", "--databas-url=postgresql://u:p@h/d"],
            "there is no flag '--databas-url': did you mean --database-url?",
        ),
        (["status", "--env", "staging"], "there is no flag '--env':"),
        (["image"], "image needs a container engine: run `dagger call image`"),
        (["explain", "L99"], "there is no rule or command 'L99': `slipway explain` lists the rules, `slipway --help`"),
        (["explain", "L1"], "there is no rule or command 'L1': did you mean L01?"),
        (["explain", "banana"], "there is no rule or command 'banana': `slipway explain` lists the rules"),
        (["completion", "tcsh"], "invalid choice: 'tcsh'"),
        (["pause", "--environment"], "expected one argument: `slipway pause --help` lists the flags"),
    ],
)
def test_a_misspelt_word_is_a_usage_error_with_a_suggestion(capsys, arguments, error):
    assert run(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert error in line


@pytest.mark.parametrize("rule", [rule.id for rule in all_rules()])
def test_every_rule_is_explained_by_its_effect_and_names_no_file_of_ours(rule):
    explanation = explained(rule.lower(), FUNCTIONS)
    assert explanation.subject == rule
    assert explanation.text.startswith(f"{rule}: ")
    assert "docs/" not in explanation.text
    assert "```" not in explanation.text


def test_a_rule_is_explained_with_the_bad_and_the_good_revision():
    text = explained("L01", FUNCTIONS).text
    assert '    op.create_index("notes_title", "notes", ["title"])\n' in text
    assert "postgresql_concurrently=True)" in text


@pytest.mark.parametrize("command", FUNCTIONS, ids=lambda command: command.name)
def test_every_command_is_explained_by_sentence_flags_records_exit_codes_and_rights(command):
    text = explained(command.name, FUNCTIONS).text
    for part in (command.sentence, EXIT_CODES, *(flag.sentence for flag in command.flags)):
        assert part in text
    for each in command.records:
        assert f"slipway/{each.record}/1" in text
    assert ("IAM actions" in text) == bool(command.permissions)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_flag(capsys, shell):
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    for command in COMMANDS:
        assert command.name in script
        for flag in command.flags:
            assert flag.positional or flag.name in script


@pytest.mark.slow
def test_the_completion_script_completes_in_bash(tmp_path):
    (tmp_path / "slipway").write_text(f'#!/bin/sh\nexec {sys.executable} -m slipway.cli "$@"\n')
    ask = 'COMP_WORDS=(slipway ro); COMP_CWORD=1; COMPREPLY=(); _shtab_slipway; echo "${COMPREPLY[@]}"'
    script = subprocess.run(
        [sys.executable, "-m", "slipway.cli", "completion", "bash"], capture_output=True, text=True, check=True
    )
    done = subprocess.run(["bash", "-c", f"{script.stdout}\n{ask}"], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["rollback"], done.stderr


def test_a_word_that_is_passed_as_a_value_is_no_flag():
    flags = parse(["rollback", "--environment", "staging", "--without-certificate", "the shop is down"])
    assert (flags.without_certificate, flags.to, flags.json) == ("the shop is down", None, False)


def test_descriptions_are_complete():
    """The texts that people read, and the rows of other tables."""
    names = [command.name for command in FUNCTIONS]
    assert len(names) == len(set(names))
    for command in FUNCTIONS:
        assert command.sentence[0].isupper()
        assert not command.sentence.endswith(".")
        assert len({flag.name for flag in command.flags}) == len(command.flags)
        assert bool(command.records) == bool(command.run)
        assert not any(flag.sentence.endswith(".") or (flag.not_on_dagger and flag.on_dagger) for flag in command.flags)
    assert {row for command in FUNCTIONS for row in command.permissions} == set(PERMISSIONS) - {
        "plan-without-ledger"
    }  # of a role
    without_rights = {
        command.name for command in FUNCTIONS if command.access is not AwsAccess.NONE and not command.permissions
    }
    assert without_rights == {
        "bootstrap",
        "conformance",
        "doctor",
    }  # an administrator's, those of an account made for it, none


def test_every_default_of_the_grammar_is_that_of_the_description():
    parsers = grammar().commands.choices
    for command in COMMANDS:
        defaults = {action.dest: action.default for action in parsers[command.name]._actions}
        assert {key: defaults[key] for key in command.defaults()} == command.defaults()


def test_one_of_the_directions_of_a_move_is_required():
    assert "(--to ecs-express | --back | --finish)" in grammar().commands.choices["move"].format_usage()
    with pytest.raises(BadInputError, match="one of the arguments --to --back --finish is required"):
        parse(["move", "--environment", "production"])


def test_a_flag_without_a_name_in_python_gets_an_underscore():
    assert Flag(name="from", sentence="").key == "from_"
    with pytest.raises(BadInputError):
        parse(["promote", "--origin", "staging"])
