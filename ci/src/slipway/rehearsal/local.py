"""The rehearsal on this machine: releases are commits, artifacts are source trees, instances are processes."""

import tempfile
from collections import ChainMap
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from slipway.environment.migrate import migrate
from slipway.environment.preflight import preflight
from slipway.errors import BadInputError
from slipway.finder.tree import tree_at
from slipway.local.databases import attached
from slipway.local.gate import check_config
from slipway.local.guess import guess
from slipway.local.prove import Workplace, prove, server_binaries
from slipway.postgres.binaries import Binaries
from slipway.postgres.datadir import cache
from slipway.postgres.server import Server, running
from slipway.records.checks import Preflight
from slipway.records.gate import Since
from slipway.records.image import Image
from slipway.records.migration import Migration
from slipway.records.progress import Progress
from slipway.records.proof import Proof
from slipway.records.rehearsal import Rehearsal
from slipway.rehearsal.commits import Commits, build, settings_of
from slipway.rehearsal.play import play
from slipway.rehearsal.scene import Story
from slipway.rehearsal.servers import unreachable
from slipway.rehearsal.stage import ENVIRONMENTS, SimulatedAccount, empty, opened, target_named
from slipway.settings import MissingTableError, Settings, TargetKind, load_file, parse
from slipway.simulator.cloud import LOGIN
from slipway.source.commit import Commit
from slipway.source.released import unreleased
from slipway.workload.process import HostBackend
from slipway.workload.python import Python, named_environment
from slipway.workload.workload import Backend


async def rehearse(
    source: Path,
    progress: Progress,
    settings_file: Path | None = None,
    target: str | None = None,
    python: Path | None = None,
) -> Rehearsal:
    """Play the first act, and the others for which the settings have a patch.

    Raise SlipwayError when the rehearsal cannot run.
    - settings_file: a TOML file whose [tool.slipway] replaces the one in the service's pyproject.toml.
    - target: the target's name; see `target_named`.
    - python: a virtual environment in which every release runs, instead of an environment made from the lock of the release.
    """
    own = named_environment(python) if python else None
    with tempfile.TemporaryDirectory(prefix="slipway-rehearsal-", ignore_cleanup_errors=True) as workspace:
        commits = await anyio.to_thread.run_sync(Commits.copied, source, Path(workspace))
        settings = load_file(settings_file) if settings_file else _settings(commits.head, progress)
        await anyio.to_thread.run_sync(check_config, source, settings.migrations)
        story = await anyio.to_thread.run_sync(_story, commits, settings)
        known = await anyio.to_thread.run_sync(_released, source)
        # A server that has the revisions' extensions, as for the gate.
        postgres = await anyio.to_thread.run_sync(lambda: server_binaries(tree_at(source), settings.migrations))
        if missing := await unreachable(_variables(settings), settings.port):
            progress.note(f"no server answers here at the address in {', '.join(missing)}: only Postgres is started")
        async with staged(settings, target_named(target, settings), known, postgres, own) as stage:
            return await play(story, stage, progress)


@dataclass(frozen=True)
class Here:
    """The stage on this machine; see `Stage`."""

    account: SimulatedAccount
    backend: HostBackend
    databases: Mapping[str, Server]
    known: Since | None  # the state whose revisions the gate does not test

    @property
    def how(self) -> str:
        python = f" with the packages in {self.backend.python.folder}" if self.backend.python else ""
        return f"{self.backend.how} from a source tree{python}, {self.account.platform}"

    @property
    def gate(self) -> str:
        named = self.backend.python
        return f"gate in {named.folder}" if named else "gate in the release's own Python"

    @property
    def postgres(self) -> str:
        server = self.databases[ENVIRONMENTS[0]]
        return f"PostgreSQL {server.version} of {server.origin}"

    @asynccontextmanager
    async def emptied(self, settings: Settings, secrets: Mapping[str, str]) -> "AsyncIterator[Here]":
        backends: list[HostBackend] = []
        opening = empty(settings, self.account.target, partial(_backend_at, backends, self.backend.python), secrets)
        async with opening as account, attached(account.cloud):
            yield replace(self, account=account, backend=backends[0])

    async def build(self, release: Commit, settings: Settings | None = None) -> Image:
        account = replace(self.account, settings=settings or self.account.settings)
        locked = self.backend.python is None
        return await build(release, account.settings, await account.place(), locked=locked)

    async def prove(self, release: Commit, image: Image) -> Proof:  # noqa: ARG002 -- the artifact contains the release
        async with self.backend.unpacked(self.account.settings.name, image.digest) as unpacked:
            at = Workplace(folder=unpacked.folder, python=unpacked.python, migrations=self.account.settings.migrations)
            return await prove(at, since=self.known)

    async def preflight(self, image: Image, environment: str) -> Preflight:
        simulated = self.account.environment(environment)
        # Raises an error when its virtual environment cannot be made, which a preflight would report as not covered.
        async with self.backend.unpacked(self.account.settings.name, image.digest):
            pass
        return await preflight(simulated.aws, simulated.spec(image.digest), self.account.settings, self.backend)

    async def migrate(self, image: Image, environment: str) -> Migration:
        async with self.backend.unpacked(self.account.settings.name, image.digest) as unpacked:
            return await migrate(unpacked, self.account.settings.migrations, self.databases[environment].url)


@asynccontextmanager
async def staged(
    settings: Settings, target: TargetKind, known: Since | None, postgres: Binaries, python: Python | None = None
) -> AsyncIterator[Here]:
    """Set up the stage for the block. Raise BadInputError when the machine lacks something."""
    async with AsyncExitStack() as stack:
        databases = {name: await stack.enter_async_context(running(postgres)) for name in ENVIRONMENTS}
        backends: list[HostBackend] = []
        urls = {name: server.url for name, server in databases.items()}
        backend_at = partial(_backend_at, backends, python)
        account = await stack.enter_async_context(opened(settings, target, urls, backend_at))
        yield Here(account, backends[0], databases, known)


def _backend_at(made: list[HostBackend], python: Python | None, url: str) -> Backend:
    """Return the backend of an account, and note it in `made`."""
    made.append(HostBackend(url=url, login=LOGIN, cache=cache(), python=python))
    return made[-1]


def _variables(settings: Settings) -> Mapping[str, str]:
    """Return the variables that releases get, without those of the database."""
    named = [each.variables for name, each in settings.environments.items() if name in ENVIRONMENTS]
    every = ChainMap(dict(settings.migrations.variables), *map(dict, named))
    return {name: value for name, value in every.items() if "{" not in value}


def _released(source: Path) -> Since | None:
    """Return the state after which `slipway gate` tests revisions in this folder; None when git does not know it."""
    with suppress(BadInputError):
        return unreleased(source)
    return None


def _story(commits: Commits, settings: Settings) -> Story[Commit]:
    release, patches = commits.head, settings.rehearsal

    def patched(patch: str | None) -> Commit | None:
        return commits.patched(release, patch) if patch else None

    return Story(
        before=commits.again(release, "The release before"),
        release=release,
        refused=patched(patches.refused),
        rolled_back=patched(patches.rolled_back),
        failing=patched(patches.failing),
    )


def _settings(release: Commit, progress: Progress) -> Settings:
    """Return the commit's settings, or guessed settings for a service without [tool.slipway]."""
    try:
        return settings_of(release)
    except MissingTableError:
        guessed = guess(release.texts())
        progress.section(
            "the service has no [tool.slipway]; assuming this, correct it in pyproject.toml or in a file for --settings"
        )
        for line in guessed.splitlines():
            progress.note(line)
        return parse(guessed)
