"""The service's own checks: its commands, run in its builder with its development dependencies.

The engine caches output and exit code. A check runs again only when a file that it sees has changed.
"""

from dataclasses import dataclass

import dagger

from slipway.errors import RefusedError
from slipway.graph import bases, cases, postgres
from slipway.graph.folder import Folder
from slipway.graph.gate import has_history
from slipway.graph.image import Source, development, with_variables
from slipway.graph.running import START, migrating
from slipway.graph.workspace import check_sources, files_of
from slipway.settings import Settings, TestDatabase
from slipway.untrusted import printable

_LAST_LINES = 40


@dataclass(frozen=True)
class CheckResult:
    """The output and the exit code of a check."""

    command: str
    exit_code: int
    output: str

    @property
    def why_not(self) -> str:
        last = "\n".join(self.output.splitlines()[-_LAST_LINES:])
        return f"{self.command} ended with the exit code {self.exit_code}; its last lines:\n{last}"


async def lint(folder: Folder, source: Source, settings: Settings) -> CheckResult:
    """Run the service's lint. Like the other checks, raise RefusedError when the program is missing."""
    return await _run(await _container(folder, source, settings), "lint", settings.checks.lint)


async def types(folder: Folder, source: Source, settings: Settings) -> CheckResult:
    return await _run(await _container(folder, source, settings), "types", settings.checks.types)


async def tests(folder: Folder, source: Source, settings: Settings) -> CheckResult:
    """Run the tests with a Postgres in the service's variables.

    It is migrated to the head unless the settings say otherwise.
    """
    command = settings.checks.tests
    if not command:
        return CheckResult("", 0, nothing_done("tests"))
    server = postgres.service(bases.postgres(settings.images, settings.migrations), "tests")
    bound = (await _container(folder, source, settings)).with_service_binding(postgres.HOST, server)
    container = with_variables(bound, cases.VARIABLES | settings.migrations.database_variables(postgres.url()))
    start: tuple[str, ...] = ()
    if settings.checks.database is not TestDatabase.EMPTY and await has_history(folder, source, settings.migrations):
        # As two execs, the first would come from the cache, and the database would stay empty.
        container, start = migrating(container), ("python", START, *settings.migrations.own_runner, "--")
    done = container.with_exec([*start, *command], expect=dagger.ReturnType.ANY)
    result = await result_of(done, "tests", command)
    await cases.trace(done)
    return result


async def _container(folder: Folder, source: Source, settings: Settings) -> dagger.Container:
    return development(await checked(folder, source, settings), settings)


async def checked(folder: Folder, source: Source, settings: Settings) -> Source:
    """Return the source with the additional files of the checks."""
    wanted = (*settings.sources, *settings.checks.sources) if settings.sources and settings.checks.sources else ()
    files = files_of(folder, wanted)
    await check_sources(folder, files, settings.checks.sources, "[tool.slipway.checks]")
    return source.with_files(files)


async def _run(container: dagger.Container, name: str, command: tuple[str, ...]) -> CheckResult:
    if not command:
        return CheckResult("", 0, nothing_done(name))
    return await result_of(container.with_exec([*command], expect=dagger.ReturnType.ANY), name, command)


def nothing_done(name: str) -> str:
    return f"nothing was done: the settings name no {name} in [tool.slipway.checks]\n"


async def result_of(done: dagger.Container, name: str, command: tuple[str, ...]) -> CheckResult:
    """Return a command's exit code and output. Raise RefusedError when its program is missing."""
    output = printable(await done.combined_output())
    if "executable file not found" in output:  # the words of the engine and of start.py
        raise RefusedError(
            f"there is no {command[0]} where the {name} of [tool.slipway.checks] run",
            "add it to the group dev and run `uv lock`, or to requirements-dev.txt",
        )
    return CheckResult(command[0], await done.exit_code(), output)
