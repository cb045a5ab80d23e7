"""One call of a Dagger function, as the caller of a command."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import dagger

from slipway.commands.command import Flags, named
from slipway.commands.flags import EVERYWHERE
from slipway.commands.table import FUNCTIONS
from slipway.errors import BadInputError
from slipway.objects.function import FunctionError

if TYPE_CHECKING:
    from slipway.environment.environment import ServiceEnvironment
    from slipway.records.progress import Event, Progress
    from slipway.release.aws.client import Keys
    from slipway.report.answers.result import CommandResult
    from slipway.settings import Settings

R = TypeVar("R")


class Opened(Protocol):
    """An environment that the caller has opened: its name is an argument of the commands."""

    path: str  # the service's path
    credentials: dagger.Secret | None
    endpoint: dagger.Service | None  # the simulator, instead of AWS


@dataclasses.dataclass(frozen=True)
class Call:
    """The caller of a command in Dagger: one call of a function.

    - opened, ws: None for a command that needs no environment.
    - starts: whether the preflight starts the release.
    """

    opened: Opened | None = None
    ws: dagger.Workspace | None = None
    starts: bool = True

    async def answer(self, name: str, *, red: bool = False, **arguments: Any) -> "CommandResult":
        """Run a command. With `red`, raise FunctionError when its exit code is not 0."""
        command = named(name, FUNCTIONS)
        assert command.run is not None
        call = dataclasses.replace(self, starts=not arguments.get("without_start", False))
        flags = {flag.key: False for flag in EVERYWHERE} | command.defaults() | arguments
        answer = await command.run(Flags(**flags), call)
        assert answer is not None
        if red and answer.code:
            raise FunctionError(answer.text)
        return answer

    @property
    def progress(self) -> "Progress":
        import sys

        from slipway.report.terminal import TerminalProgress

        return TerminalProgress(sys.stdout)

    @contextmanager
    def run(self) -> "Iterator[Callable[[Event], None]]":
        yield _tell

    def say(self, answer: "CommandResult") -> None:
        print(answer.text, end="")  # noqa: T201

    stream = say

    @contextmanager
    def screen(self) -> "Iterator[Callable[[CommandResult], None]]":
        yield self.say

    async def settings(self) -> "Settings":
        from slipway.graph.folder import folder_of
        from slipway.graph.workspace import declared_in, settings_of

        assert self.opened is not None
        assert self.ws is not None
        return await settings_of(await declared_in(await folder_of(self.ws, self.opened.path)))

    async def services(self) -> "Mapping[str, Settings]":
        from slipway.graph.folder import settings_files
        from slipway.settings.services import settings_in

        assert self.ws is not None
        return settings_in(await settings_files(self.ws))

    async def environment(self, name: str, settings: "Settings | None" = None) -> "ServiceEnvironment":
        from functools import partial
        from importlib import import_module
        from threading import Thread

        # import boto3 now: this takes 0.3 s, as long as the engine takes to answer
        Thread(target=import_module, args=["boto3.session"]).start()
        from slipway.environment.environment import ServiceEnvironment, wall_clock

        assert self.opened is not None
        settings = settings or await self.settings()
        settings.environment(name)
        note = self.progress.note
        make = partial(
            ServiceEnvironment, settings=settings, name=name, time=wall_clock(), note=note, starts=self.starts
        )
        if self.opened.endpoint:
            return make(endpoint_url=await (await self.opened.endpoint.start()).endpoint(scheme="http"))
        keys = await keys_of(self.opened.credentials)
        if keys is None:
            raise BadInputError(
                "there are no AWS credentials", 'add --credentials "cmd://aws configure export-credentials"'
            )
        return _migrating_in_a_container(make(endpoint_url=None, keys=keys))

    async def text(self, file: dagger.File, what: str) -> str:  # noqa: ARG002 -- the engine names the file in its errors
        return await file.contents()

    async def record(self, kind: type[R], file: dagger.File, what: str) -> R:
        from slipway.records.form import from_json

        return from_json(kind, await file.contents(), what)


async def keys_of(credentials: dagger.Secret | None) -> "Keys | None":
    from datetime import UTC, datetime

    from slipway.release.aws.client import keys_from

    return keys_from(await credentials.plaintext(), datetime.now(UTC)) if credentials else None


def _migrating_in_a_container(environment: "ServiceEnvironment") -> "ServiceEnvironment":
    """Return the environment. Its runner "direct" works in a container of the engine instead of on this machine."""
    from slipway.graph.migration import runner_at
    from slipway.settings import RunnerKind

    migration = environment.settings.environment(environment.name).migration
    if migration is None or migration.runner is not RunnerKind.DIRECT:
        return environment
    return dataclasses.replace(environment, runner=runner_at)


def _tell(event: "Event") -> None:
    """Print an event; the engine shows each line with its time."""
    from slipway.report.lines import lines

    for line in lines(event):
        print(line)  # noqa: T201
