"""How a verb that takes a while says what it is doing, to whoever listens: a terminal, a pipe, nobody."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from slipway.records.progress import Event


class Voice(Protocol):
    """`text` may hold lines of logs: it is made harmless where it is shown."""

    def heading(self, text: str) -> None:
        """A new part begins."""
        ...

    def doing(self, text: str) -> AbstractContextManager[object]:
        """Something is going on for as long as the block lasts."""
        ...

    def done(self, text: str, seconds: float) -> None:
        """A step has ended."""
        ...

    def note(self, text: str) -> None:
        """Something a person should know."""
        ...

    def line(self, text: str) -> None:
        """Something that was seen on the way."""
        ...

    def event(self, event: Event) -> None:
        """Something that a run of the release engine tells."""
        ...


class Silence:
    """Nobody listens."""

    def heading(self, text: str) -> None: ...

    def doing(self, text: str) -> AbstractContextManager[object]:  # noqa: ARG002 -- nothing is said
        return nullcontext()

    def done(self, text: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...

    def line(self, text: str) -> None: ...

    def event(self, event: Event) -> None: ...
