"""The service's own checks: its commands in its builder with what only developers need, over its files and those that checks name.

The engine keeps what a command said with its verdict: nothing is run again until a file that it sees has changed.
"""

from dataclasses import dataclass, replace

import dagger

from slipway.errors import RefusedError
from slipway.graph import bases, postgres
from slipway.graph.image import Source, development, with_variables
from slipway.graph.workspace import files_of
from slipway.settings import Settings
from slipway.untrusted import printable

_LAST_LINES = 40


@dataclass(frozen=True)
class Verdict:
    """What a check printed, and whether it is content."""

    command: str
    exit_code: int
    said: str

    @property
    def why_not(self) -> str:
        last = "\n".join(self.said.splitlines()[-_LAST_LINES:])
        return f"{self.command} ended with the exit code {self.exit_code}; it said\n{last}"


async def lint(workspace: dagger.Workspace, source: Source, settings: Settings) -> Verdict:
    """What the service's lint says; raises RefusedError when it cannot be run. So do the others."""
    return await _run(_container(workspace, source, settings), "lint", settings.checks.lint)


async def types(workspace: dagger.Workspace, source: Source, settings: Settings) -> Verdict:
    return await _run(_container(workspace, source, settings), "types", settings.checks.types)


async def tests(workspace: dagger.Workspace, source: Source, settings: Settings) -> Verdict:
    """Beside an empty Postgres, which the service's variables name."""
    server = postgres.service(bases.postgres(settings.images, settings.migrations), "tests")
    bound = _container(workspace, source, settings).with_service_binding(postgres.HOST, server)
    told = settings.migrations.told(postgres.url())
    return await _run(with_variables(bound, told), "tests", settings.checks.tests)


def _container(workspace: dagger.Workspace, source: Source, settings: Settings) -> dagger.Container:
    wanted = (*settings.sources, *settings.checks.sources) if settings.sources and settings.checks.sources else ()
    return development(replace(source, files=files_of(workspace, wanted)), settings)


async def _run(container: dagger.Container, name: str, command: tuple[str, ...]) -> Verdict:
    if not command:
        return Verdict("", 0, f"nothing was done: pyproject.toml names no {name} in [tool.slipway.checks]\n")
    done = container.with_exec([*command], expect=dagger.ReturnType.ANY)
    said = printable(await done.combined_output())
    if "executable file not found" in said:  # the engine's own words
        raise RefusedError(
            f"there is no {command[0]} where the {name} of [tool.slipway.checks] run",
            "add it to the group dev and run `uv lock`, or to requirements-dev.txt",
        )
    return Verdict(command[0], await done.exit_code(), said)
