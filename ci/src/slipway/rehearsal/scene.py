"""An act while it is played: its steps, timed, and told to whoever listens."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from slipway.records.rehearsal import Act, Step
from slipway.records.progress import Progress


@dataclass
class Doing:
    """A step under way; what it `said` replaces its announcement, `platform_seconds` are what the platform took."""

    said: str
    platform_seconds: float | None = None


class Scene:
    """One act, step by step."""

    def __init__(self, name: str, title: str, voice: Progress) -> None:
        self.name = name
        self.title = title
        self.voice = voice
        self._began = time.monotonic()
        self._steps: list[Step] = []
        voice.section(f"{name}: {title}")

    @contextmanager
    def step(self, announced: str) -> Iterator[Doing]:
        """Time a step; it is recorded unless it raises."""
        began = time.monotonic()
        doing = Doing(announced)
        with self.voice.step(announced):
            yield doing
        seconds = time.monotonic() - began
        self._steps.append(Step(doing.said, round(seconds, 3), doing.platform_seconds))
        self.voice.done(doing.said, seconds)

    def ended(self, happened: str, how: str, *, passed: bool, details: tuple[str, ...] = ()) -> Act:
        """The act as it is remembered."""
        for line in details:
            self.voice.note(line)
        seconds = round(time.monotonic() - self._began, 3)
        return Act(name=self.name, title=self.title, happened=happened, how=how, passed=passed, seconds=seconds, steps=tuple(self._steps), details=details)
