"""The Dagger object of one environment.

It has a function for each command that uses AWS, with the command's flags as arguments.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import dagger
from dagger import Doc

from slipway.commands import account, release, service
from slipway.commands.command import Command, Flag
from slipway.objects.call import Call
from slipway.objects.function import directory, documented, object_type

F = TypeVar("F", bound=Callable[..., Any])


def _parameter(flag: Flag) -> inspect.Parameter:
    """Return a flag as an argument of a Dagger function."""
    kind: Any = bool if flag.is_switch else dagger.File if flag.parse is Path else flag.parse
    kind = list[kind] if flag.repeated else kind
    default = False if flag.is_switch else flag.default
    if flag.positional or (flag.required and not flag.one_of):
        default = inspect.Parameter.empty
    kind = kind | None if default is None else kind
    return inspect.Parameter(
        flag.key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, Doc(flag.doc)]
    )


def _with_flags(command: Command) -> Callable[[F], F]:
    """Return a decorator that makes a Dagger function with a workspace and a command's flags as arguments."""

    def make(method: F) -> F:
        own = inspect.signature(method)
        flags = [_parameter(flag) for flag in command.flags if not flag.not_on_dagger]
        made = documented(command.doc, command.cache)(method)
        made.__name__ = command.name
        parameters = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        signature = own.replace(parameters=[*parameters, *flags])
        made.__signature__ = signature  # type: ignore[attr-defined]
        typed = {each.name: each.annotation for each in signature.parameters.values() if each.name != "self"}
        made.__annotations__ = {**typed, "return": own.return_annotation}
        return made

    return make


def _text_of(command: Command) -> Any:
    """Return the Dagger function of a command, which returns the command's text."""
    place = next(flag.key for flag in command.flags if flag.name in ("environment", "from"))

    @_with_flags(command)
    async def answer(self: "Environment", ws: dagger.Workspace, **flags: Any) -> str:
        return (await Call(self, ws).answer(command.name, red=True, **{place: self.name}, **flags)).text

    return answer


@object_type
class Environment:
    """One environment of the service.

    Each function reads the settings itself, because the engine may take this object from its cache.
    """

    name: str
    path: str
    credentials: dagger.Secret | None = None
    endpoint: dagger.Service | None = None

    bootstrap = _text_of(account.bootstrap)
    preflight = _text_of(release.preflight)

    @_with_flags(release.plan)
    async def plan(self, ws: dagger.Workspace, **flags: Any) -> dagger.Directory:
        from slipway.report.files import of_plan

        answer = await Call(self, ws).answer("plan", environment=self.name, **flags)
        print(answer.text, end="")  # noqa: T201
        return await directory(of_plan(answer.record))

    deploy = _text_of(release.deploy)
    migrate = _text_of(release.migrate)
    promote = _text_of(release.promote)
    rollback = _text_of(release.rollback)
    move = _text_of(release.move)
    status = _text_of(service.status)
    history = _text_of(service.history)
    diagnose = _text_of(service.diagnose)
    logs = _text_of(service.logs)
    run = _text_of(service.run)
    pause = _text_of(service.pause)
    resume = _text_of(service.resume)
    abort = _text_of(service.abort)
    destroy = _text_of(service.destroy)
    permissions = _text_of(account.permissions)
