"""Every command, in the order of help and of the reference pages."""

from difflib import get_close_matches

from slipway.commands import account, engine, machine, prove, release, service
from slipway.commands.command import Command
from slipway.errors import BadInputError

_GROUPS = (prove, release, service, account, machine)
COMMANDS = tuple(each for module in _GROUPS for each in vars(module).values() if isinstance(each, Command))
FUNCTIONS = (*COMMANDS, *engine.FUNCTIONS)


def named(name: str) -> Command:
    """Return a command or Dagger function; raises BadInputError that suggests similar names."""
    for command in FUNCTIONS:
        if command.name == name:
            return command
    raise unknown("command", name, [command.name for command in COMMANDS], "`slipway --help` lists the commands")


def unknown(kind: str, name: str, names: list[str], remedy: str) -> BadInputError:
    """Return the error for a name that does not exist, with the most similar one."""
    similar = get_close_matches(name, names, 1)
    hint = f"did you mean {similar[0]}? " if similar else ""
    return BadInputError(f"there is no {kind} {name!r:.80}", f"{hint}{remedy}")
