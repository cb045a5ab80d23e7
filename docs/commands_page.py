"""The page commands.md, made from the descriptions of the commands."""

from collections.abc import Iterator

from docstrings import wrapped

from slipway.commands.command import Command, Flag, Group
from slipway.commands.flags import EVERYWHERE, EXIT_CODES
from slipway.commands.table import FUNCTIONS

_INTRODUCTION = f"""\
Each command is described once, in `ci/src/slipway/commands`: its help, its Dagger function and this
page come from there. `slipway COMMAND --help` and `slipway explain COMMAND` print the same on a
terminal; [json.md](json.md) lists the records, [permissions.md](permissions.md) the IAM actions,
[engine.md](engine.md) what each function does on a Dagger engine.

{wrapped(EXIT_CODES + " On Dagger a function fails unless the exit code is 0.")}"""


def commands() -> str:
    """Return commands.md."""
    parts = ["# Commands", _INTRODUCTION, "Flags of every command:", _flags(EVERYWHERE, on_dagger=False)]
    for group in Group:
        parts += [f"## {group.value}"]
        for command in FUNCTIONS:
            if command.group is group:
                parts += _command(command)
    return "\n\n".join(parts) + "\n"


def _command(command: Command) -> Iterator[str]:
    yield f"### {command.name}"
    yield wrapped(f"{command.sentence}. It {command.access.value}.")
    if command.flags:
        yield _flags(command.flags, on_dagger=not command.not_on_dagger)
    if command.run and not command.not_on_dagger:
        never_red = f" It never fails: {command.never_red}." if command.never_red else ""
        yield wrapped(f"On Dagger: `{command.dagger_call}`.{never_red}")
    elif command.not_on_dagger:
        yield wrapped(f"Not on Dagger: {command.not_on_dagger}.")
    else:
        yield wrapped(f"Only on Dagger, since it needs a container engine: `{command.dagger_call}`.")


def _flags(flags: tuple[Flag, ...], *, on_dagger: bool) -> str:
    """Return the table of flags; for a command that Dagger has, the last column says how its function differs."""
    rows = [("flag", "what it does", "on Dagger"), ("---",) * 3]
    rows += [(f"`{_typed(flag)}`", _cell(flag.sentence), _dagger(flag)) for flag in flags]
    return "\n".join(f"| {' | '.join(row if on_dagger else row[:2])} |" for row in rows)


def _typed(flag: Flag) -> str:
    return _cell(flag.metavar if flag.positional else f"--{flag.name} {flag.metavar}".strip())


def _dagger(flag: Flag) -> str:
    if flag.not_on_dagger:
        return f"no: {flag.not_on_dagger}"
    return (flag.on_dagger or "the same") + flag.default_on_dagger


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
