"""The command line's grammar and help, made from the descriptions of the commands."""

import argparse
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

import slipway
from slipway.commands.command import Command, Flag, Flags, Group, named, unknown
from slipway.commands.flags import EVERYWHERE, EXIT_CODES
from slipway.commands.table import COMMANDS, FUNCTIONS
from slipway.errors import BadInputError


def parse(arguments: Sequence[str]) -> Flags:
    """Read a command line. Raise BadInputError, which suggests a similar command or flag, when it is wrong."""
    if arguments and not arguments[0].startswith("-"):
        command = named(arguments[0], FUNCTIONS)
        if command.run is None:
            raise BadInputError(f"{command.name} needs a container engine", f"run `dagger call {command.name}`")
        _check_flags(command, arguments[1:])
        return grammar(command).parse_args(arguments)
    return grammar().parse_args(arguments)


def _check_flags(command: Command, arguments: Iterable[str]) -> None:
    """Raise BadInputError for an unknown flag, before argparse complains about a missing one."""
    flags = [flag for flag in (*command.flags, *EVERYWHERE) if not flag.positional]
    known = ["--help", *(f"--{flag.name}" for flag in flags)]
    for argument in takewhile(lambda argument: argument != "--", arguments):
        name = argument.partition("=")[0]
        if name.startswith("--") and name not in {"--", *known}:
            raise unknown("flag", name, known, f"`slipway {command.name} --help` lists the flags")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInputError(message, f"`{self.prog} --help` lists the flags")


class _Top(_Parser):
    """The parser of all commands; its help lists them in groups."""

    def format_help(self) -> str:
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, [])
        formatter.add_text(self.description)
        entries = {entry.dest: entry for entry in self.commands._choices_actions}  # noqa: SLF001 -- argparse has no groups of commands
        for group in Group:
            if listed := [entries[command.name] for command in COMMANDS if command.group is group]:
                formatter.start_section(group.value)
                formatter.add_arguments(listed)
                formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    commands: Any


class _Paragraphs(argparse.HelpFormatter):
    """A formatter of plain help.

    It keeps a text's paragraphs, and does not break words at hyphens, such as those in flags.
    """

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = (self._split_lines(part, width - len(indent)) for part in text.split("\n\n"))
        return "\n\n".join("\n".join(indent + line for line in part) for part in lines)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False, break_long_words=False)


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Return a formatter with colours on a terminal, a plain one in a pipe."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or not find_spec("rich_argparse"):
        return _Paragraphs(prog, max_help_position=18)
    from rich_argparse.contrib import ParagraphRichHelpFormatter

    class Coloured(ParagraphRichHelpFormatter):
        text_markup = False  # square brackets in our texts are no markup

    return Coloured(prog, max_help_position=18)


@cache
def grammar(only: Command | None = None) -> _Top:
    """Return the parser of the command line, with all commands or, to save time, with one."""
    top = _Top(
        "slipway",
        usage="slipway COMMAND [flags]",
        description=slipway.__doc__,
        epilog=f"`slipway COMMAND --help` lists the flags of a command, `slipway explain L01` explains a rule.\n\n{EXIT_CODES}",
        formatter_class=_formatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"slipway {slipway.__version__}")
    top.commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser, prog="slipway")
    for command in (only,) if only else COMMANDS:
        _add(top.commands, command)
    return top


def _add(commands: Any, command: Command) -> None:
    parser = commands.add_parser(
        command.name,
        help=command.sentence,
        description=f"{command.sentence}.",
        epilog="\n\n".join(filter(None, [command.more, EXIT_CODES])),
        formatter_class=_formatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=command.run, around=command.around, commands=FUNCTIONS, complete=completion)
    parser._optionals.title = "flags"  # noqa: SLF001 -- argparse says options
    groups: dict[str, Any] = {}
    for flag in command.flags:
        if flag.one_of and flag.one_of not in groups:
            groups[flag.one_of] = parser.add_mutually_exclusive_group(required=flag.required)
        _add_flag(groups.get(flag.one_of, parser), flag)
    everywhere = parser.add_argument_group("every command")
    for flag in EVERYWHERE:
        _add_flag(everywhere, flag)


def _add_flag(parser: Any, flag: Flag) -> None:
    options: dict[str, Any] = {"help": flag.sentence}
    if flag.is_switch:
        options["action"] = "store_true"
    else:
        options |= {"metavar": flag.metavar, "type": flag.parse, "default": flag.default}
        options |= {"choices": flag.choices} if flag.choices else {}
        options |= {"nargs": "?", "const": flag.bare} if flag.bare else {}
        options |= {"action": "append"} if flag.repeated and not flag.positional else {}
    if flag.positional:
        number = "+" if flag.repeated else None if flag.default is None else "?"
        parser.add_argument(flag.key, **options | {"nargs": number})
    else:
        parser.add_argument(f"--{flag.name}", dest=flag.key, required=flag.required and not flag.one_of, **options)


def completion(shell: str) -> str:
    """Return the completion script for bash, zsh or fish."""
    import shtab

    top = grammar()
    for parser in top.commands.choices.values():
        for action in parser._actions:  # noqa: SLF001 -- shtab reads this attribute of actions
            if action.type is Path:
                action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE
    return shtab.complete(top, shell)
