"""Progress: events of a running command, and the protocol of their output."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Phase(Enum):
    """The phases of a run, in words for people."""

    LOOK = "reading the live state"
    CHECK = "running the preflight checks"
    WAIT = "waiting for another deployment"
    MIGRATE = "migrating the database"
    CHANGE = "the platform is at work"

    @property
    def interrupted(self) -> str:
        """The sentence for a person who interrupts a run in this phase: what still continues."""
        match self:
            case Phase.CHANGE:
                return "the platform continues with what has started; run the same command again to follow it"
            case Phase.MIGRATE:
                return (
                    "no release has started on the platform; a statement of the migration may run in the database until it ends, "
                    "and the same command again waits for it and resumes the deployment"
                )
            case Phase.LOOK | Phase.CHECK | Phase.WAIT:
                return "nothing has started on the platform"


@dataclass(frozen=True)
class Event:
    """One event of a run.

    - line: a line of the platform's log, or a sentence of slipway (untrusted text); empty when the event only begins a
      phase.
    - phase: the phase that begins, or None.
    - expected: how many seconds the phase took in earlier deployments, or None.
    - is_shared: whether the event only reports that two releases share the traffic now; such an event has no line.
    """

    line: str = ""
    phase: Phase | None = None
    expected: float | None = None
    is_shared: bool = False


Tell = Callable[[Event], object]


class Progress:
    """Output of a running command; this base class shows nothing. Every `text` is untrusted, and subclasses escape it."""

    is_shown = False

    def section(self, text: str) -> None: ...

    def step(self, text: str) -> AbstractContextManager[object]:  # noqa: ARG002 -- no output
        """Show a step as running until the block ends."""
        return nullcontext()

    def stage(self, text: str) -> None:
        """Show the current part of the step; outside of a terminal on a line of its own."""

    def detail(self, text: str) -> None:
        """Replace the detail of the current step, on a terminal only."""

    def done(self, text: str, seconds: float) -> None:
        """Show that a step has ended, and after how many seconds."""

    def note(self, text: str) -> None:
        """Show a line that matters to the user."""

    def line(self, text: str) -> None:
        """Show a line of detail, such as a log line."""

    def event(self, event: Event) -> None:
        """Show an event of a run."""


SILENT: Final = Progress()
_REPEATED_SECONDS: Final = 10


@contextmanager
def repeated(tell: Callable[[str], None], work: Callable[[], str]) -> Iterator[None]:
    """Report every ten seconds that the work of the block continues, so that a pipe is not silent for minutes."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(_REPEATED_SECONDS):
            tell(f"still {work()}")

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
