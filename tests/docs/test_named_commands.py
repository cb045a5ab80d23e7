"""Commands that errors, comments and pages name: each has the flags with which it is named, and those in code blocks are complete."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from slipway.commands.command import Flags
from slipway.commands.flags import EVERYWHERE
from slipway.commands.grammar import parse
from slipway.commands.printed import completed
from slipway.commands.table import COMMANDS
from slipway.errors import BadInputError

ROOT = Path(__file__).parents[2]
FLAGS = {each.name: {flag.name for flag in (*each.flags, *EVERYWHERE)} | {"help"} for each in COMMANDS}
FILES = [
    *ROOT.glob("ci/src/slipway/**/*.py"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob(".github/workflows/*.yml"),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
]
PAGES = [file for file in FILES if file.suffix == ".md"] + sorted(ROOT.glob("ci/src/slipway/**/*.md"))
_BLOCK = re.compile(r"^```\w*\n(.*?)^```|((?:^ {4}[^\n]*\n)+)", re.MULTILINE | re.DOTALL)
_TYPED = re.compile(r"(?<!call )(?<![\w./-])slipway (?=[a-z-])((?:[^\n|>;&`\\]|\\\n)*)")
_QUOTED = re.compile(r"`(slipway [a-z][^`…]*)`")
_NAMED = re.compile(r"(?<!call )\bslipway ([a-z]+)\b((?:[^`\n\\#|>;]|\\\n)*)")


def texts(file):
    """The text of a page, or the strings of a module that names commands; a value in an f-string is `X`."""
    whole = file.read_text()
    if file.suffix != ".py":
        return [whole]
    nodes = list(ast.walk(ast.parse(whole))) if _NAMED.search(whole) else []
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    formatted = [
        "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        for node in nodes
        if isinstance(node, ast.JoinedStr)
    ]
    constants = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in parts]
    return [*formatted, *(each for each in constants if isinstance(each, str))]


def wrong(text):
    """The flags with which a text names a command that does not have them."""
    for name, arguments in _NAMED.findall(text):
        own, _, _ = arguments.partition(" -- ")
        for flag in re.findall(r"(?<![\w-])--([a-z][a-z-]+)", own):
            if flag not in FLAGS.get(name, {flag}):
                yield f"slipway {name} --{flag}"


def test_every_command_is_named_with_flags_that_it_has():
    found = {(str(file.relative_to(ROOT)), each) for file in FILES for text in texts(file) for each in wrong(text)}
    assert found == set()


@pytest.mark.parametrize(
    "text", ["`slipway migrate --look`", "slipway deploy \\\n    --imgae X", "slipway logs --follow --error"]
)
def test_a_flag_that_a_command_lacks_is_found(text):
    assert list(wrong(text))


def typed(page):
    """The commands in the code blocks of a page, without comments; variables of the shell get a value."""
    for fenced, indented in _BLOCK.findall(page):
        lines = re.sub(r"(?:^|\s)#.*", "", fenced or indented)
        for command in _TYPED.findall(re.sub(r"\$\w+", "http://X", lines)):
            if "…" not in command:
                yield shlex.split(command.replace("\\\n", " "))


def refusal(words):
    """Why the command line does not accept a command; empty if it does."""
    try:
        parse(words)
    except BadInputError as error:
        return f"slipway {shlex.join(words)}: {error}"
    return ""


def test_every_command_in_a_code_block_can_be_typed():
    commands = [words for page in PAGES for words in typed(page.read_text())]
    assert len(commands) > 90
    assert [*filter(None, map(refusal, commands))] == []


def untypable(text):
    """The commands in backticks of a message that the command line would not accept, as it prints them in one environment.

    A value in an f-string may be a word, a number, or nothing; a flag may be named without its value.
    """
    for command in _QUOTED.findall(text):
        forms = [re.sub(r"\b(?:X|NUMBER)\b", value, command).replace("URL", "http://x") for value in ("1", "")]
        printed = [
            completed(f"`{form}`", Flags(environment="staging")) for each in forms for form in (each, f"{each} 1")
        ]
        if not re.match(r"slipway (?:deploy|move|X)\b|.*--help", command) and all(
            refusal(shlex.split(each.strip("`"))[1:]) for each in printed
        ):
            yield command


def test_every_command_in_a_message_can_be_typed():
    found = {
        (file.name, each) for file in FILES if file.suffix == ".py" for text in texts(file) for each in untypable(text)
    }
    assert found == set()


def test_a_command_in_a_message_that_lacks_its_image_is_found():
    assert [*untypable("run `slipway migrate`, `slipway logs --errors` or `slipway deploy`")] == ["slipway migrate"]


@pytest.mark.parametrize("line", ["slipway diagnose  # why", "slipway deply", "slipway gate --since", "slipway run ls"])
def test_a_command_in_a_code_block_that_is_not_complete_is_found(line):
    (words,) = typed(f"Type\n\n    {line}\n\nand wait.\n")
    assert refusal(words)
