"""Every command, in the order of help and of the reference pages."""

from difflib import get_close_matches

from slipway.commands import account, engine, machine, prove, release, service
from slipway.commands.command import Command
from slipway.errors import BadInputError

COMMANDS: tuple[Command, ...] = (
    prove.GATE,
    prove.CERTIFICATE,
    prove.REHEARSE,
    release.PREFLIGHT,
    release.PLAN,
    release.DEPLOY,
    release.PROMOTE,
    release.ROLLBACK,
    release.MIGRATE,
    service.STATUS,
    service.HISTORY,
    service.DIAGNOSE,
    service.PAUSE,
    service.RESUME,
    service.DESTROY,
    account.BOOTSTRAP,
    account.PERMISSIONS,
    account.SIMULATOR,
    account.CONFORMANCE,
    machine.DOCTOR,
    machine.EXPLAIN,
    machine.COMPLETION,
)
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
