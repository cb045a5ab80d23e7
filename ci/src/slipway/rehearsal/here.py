"""The rehearsal on this machine: releases are commits, artifacts source trees, instances processes. No container engine is asked."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from slipway.postgres import binaries
from slipway.postgres.datadir import cache
from slipway.postgres.server import Server, running
from slipway.records.image import Image
from slipway.records.migration import Migration
from slipway.records.preflight import Preflight
from slipway.records.proof import Proof
from slipway.records.rehearsal import Rehearsal
from slipway.settings import MissingTableError, Settings, load_file
from slipway.simulator.cloud import LOGIN
from slipway.source.commit import Commit
from slipway.local.build import build, settings_of
from slipway.local.guess import as_toml, guess
from slipway.environment.migrate import migrate
from slipway.environment.preflight import preflight
from slipway.local.prove import prove
from slipway.rehearsal.commits import Commits
from slipway.rehearsal.play import Story, play
from slipway.rehearsal.stage import ENVIRONMENTS, Account, opened
from slipway.records.progress import Progress
from slipway.workload.host import HostBackend


async def rehearse(source: Path, voice: Progress, settings_file: Path | None = None) -> Rehearsal:
    """Play every act that the service's settings declare; the first is played for any service. Raises SlipwayError for bad input.

    `settings_file` is a TOML file whose [tool.slipway] is used instead of the one in the service's own pyproject.toml.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-rehearsal-", ignore_cleanup_errors=True) as workspace:
        commits = await anyio.to_thread.run_sync(Commits.copied, source, Path(workspace))
        settings = load_file(settings_file) if settings_file else _settings(commits.head, voice)
        story = await anyio.to_thread.run_sync(_story, commits, settings)
        async with staged(settings) as stage:
            return await play(story, stage, voice)


@dataclass(frozen=True)
class Here:
    """The stage of a machine; see `Stage`."""

    account: Account
    backend: HostBackend
    databases: Mapping[str, Server]

    @property
    def how(self) -> str:
        return f"{self.backend.how} from a source tree, simulated App Runner"

    @property
    def gate(self) -> str:
        return "gate in the release's own Python"

    @property
    def postgres(self) -> str:
        server = self.databases[ENVIRONMENTS[0]]
        return f"PostgreSQL {server.version} of {server.origin}"

    async def build(self, release: Commit) -> Image:
        return await build(release, self.account.settings, self.account.place)

    async def prove(self, release: Commit, image: Image) -> Proof:  # noqa: ARG002 -- the artifact holds the release
        async with self.backend.unpacked(self.account.settings.name, image.digest) as unpacked:
            return await prove(unpacked.folder, unpacked.python, self.account.settings.migrations)

    async def preflight(self, image: Image, environment: str) -> Preflight:
        there = self.account.environment(environment)
        return await preflight(there.aws, there.spec(image.digest), self.account.settings, self.backend)

    async def migrate(self, image: Image, environment: str) -> Migration:
        async with self.backend.unpacked(self.account.settings.name, image.digest) as unpacked:
            return await migrate(unpacked, self.account.settings.migrations, self.databases[environment].url)


@asynccontextmanager
async def staged(settings: Settings) -> AsyncIterator[Here]:
    """Set the stage, and clear it whatever happens; raises BadInputError when the machine lacks something."""
    found = await anyio.to_thread.run_sync(binaries.find, settings.migrations.major)
    async with AsyncExitStack() as stack:
        databases = {name: await stack.enter_async_context(running(found)) for name in ENVIRONMENTS}
        backends: list[HostBackend] = []

        def backend_at(url: str) -> HostBackend:
            backends.append(HostBackend(url, LOGIN, cache()))
            return backends[0]

        urls = {name: server.url for name, server in databases.items()}
        account = await stack.enter_async_context(opened(settings, urls, backend_at))
        yield Here(account, backends[0], databases)


def _story(commits: Commits, settings: Settings) -> Story[Commit]:
    release, told = commits.head, settings.rehearsal
    return Story(
        commits.again(release, "The release before"),
        release,
        commits.patched(release, told.refused) if told.refused else None,
        commits.patched(release, told.rolled_back) if told.rolled_back else None,
    )


def _settings(release: Commit, voice: Progress) -> Settings:
    """What the commit says, or what can be guessed of a service that has no table yet."""
    try:
        return settings_of(release)
    except MissingTableError:
        guessed = guess(release.texts())
        voice.section(
            "pyproject.toml has no [tool.slipway]; this is assumed, correct it there or in a file for --settings"
        )
        for line in as_toml(guessed).splitlines():
            voice.note(line)
        return guessed
