"""Every command, in the order of help and of the reference pages."""

from slipway.commands import account, engine, machine, prove, release, service
from slipway.commands.command import Command

_GROUPS = (prove, release, service, account, machine)
COMMANDS = tuple(each for module in _GROUPS for each in vars(module).values() if isinstance(each, Command))
FUNCTIONS = (*COMMANDS, *engine.FUNCTIONS)
