"""The play: the stage is set, the acts follow each other, and clients ask production all the while."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from slipway.records.rehearsal import Act, Rehearsal, Traffic
from slipway.settings import MissingTableError, Settings, load_file
from slipway.source.commit import Commit
from slipway.verbs.build import settings_of
from slipway.verbs.guess import as_toml, guess
from slipway.verbs.rehearse.acts import Players
from slipway.verbs.rehearse.commits import Commits
from slipway.verbs.rehearse.stage import SPEED, staged
from slipway.verbs.rehearse.traffic import Clients
from slipway.verbs.voice import Voice

_LEAST_RATE = 50.0


async def rehearse(source: Path, voice: Voice, settings_file: Path | None = None) -> Rehearsal:
    """Play every act that the service's settings declare; the first is played for any service. Raises SlipwayError for bad input.

    `settings_file` is a TOML file whose [tool.slipway] is used instead of the one in the service's own pyproject.toml.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-rehearsal-", ignore_cleanup_errors=True) as workspace:
        commits = await anyio.to_thread.run_sync(Commits.copied, source, Path(workspace))
        story = await anyio.to_thread.run_sync(_story, commits, settings_file, voice)
        async with staged(story.settings) as stage, anyio.create_task_group() as tasks:
            play = Play(story, Players(stage, voice), Clients(_paths(story.settings)))
            tasks.start_soon(play.before, tasks)
            await play.acts_in_order()
            tasks.cancel_scope.cancel()
        return play.remembered()


@dataclass(frozen=True)
class Story:
    """The releases, and the settings of the first."""

    settings: Settings
    before: Commit
    release: Commit
    refused: Commit | None
    rolled_back: Commit | None


class Play:
    """What has been played so far."""

    def __init__(self, story: Story, players: Players, clients: Clients) -> None:
        self._story = story
        self._players = players
        self._clients = clients
        self._open = anyio.Event()
        self._prologue: list[Act] = []
        self._acts: list[Act] = []

    async def before(self, tasks: TaskGroup) -> None:
        """Bring production to life while the first act begins, and let the clients in."""
        act = await self._players.prologue(self._story.before)
        self._prologue.append(act)
        if act.as_told:
            production = self._players.stage.environment("production")
            self._clients.ask(production.address(await production.status()), tasks)
        self._open.set()

    async def acts_in_order(self) -> None:
        act, live = await self._players.promoted(self._story.release, self._open)
        self._acts.append(act)
        if self._story.refused:
            self._acts.append(await self._players.refused(self._story.refused))
        if self._story.rolled_back and act.as_told:
            self._acts.append(await self._players.rolled_back(self._story.rolled_back, live))
        if self._prologue and self._prologue[0].as_told:
            self._acts.append(_of_clients(self._clients.seen()))

    def remembered(self) -> Rehearsal:
        acts = (*self._prologue, *self._acts)
        name, revision = self._story.settings.name, self._story.release.revision
        return Rehearsal(name, revision, self._players.stage.postgres, SPEED, acts, self._clients.seen())


def _story(commits: Commits, settings_file: Path | None, voice: Voice) -> Story:
    release = commits.head
    settings = load_file(settings_file) if settings_file else _settings(release, voice)
    told = settings.rehearsal
    return Story(
        settings,
        commits.again(release, "The release before"),
        release,
        commits.patched(release, told.refused) if told.refused else None,
        commits.patched(release, told.rolled_back) if told.rolled_back else None,
    )


def _settings(release: Commit, voice: Voice) -> Settings:
    """What the commit says, or what can be guessed of a service that has no table yet."""
    try:
        return settings_of(release)
    except MissingTableError:
        guessed = guess(release.texts())
        voice.heading(
            "pyproject.toml has no [tool.slipway]; this is assumed, correct it there or in a file for --settings"
        )
        for line in as_toml(guessed).splitlines():
            voice.note(line)
        return guessed


def _paths(settings: Settings) -> tuple[str, ...]:
    return settings.smoke_paths or ((settings.health_path,) if settings.health_path else ())


def _of_clients(traffic: Traffic) -> Act:
    """The clients' part, which runs through all the acts."""
    counted = f"{traffic.requests} requests, {traffic.failed} failed, {traffic.rate:.0f} a second"
    return Act(
        name="clients",
        title="all the while clients ask production, on new and on kept connections",
        happened=f"{counted}, longest gap {traffic.longest_gap * 1000:.0f} ms",
        how="HTTP clients",
        as_told=traffic.failed == 0 and traffic.rate >= _LEAST_RATE,
        seconds=traffic.seconds,
        details=traffic.failures,
    )
