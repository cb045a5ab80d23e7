"""The answers of both sides of a move to the smoke paths.

Status and content type are compared, and bodies that the old side repeats.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from slipway.environment.observed import ObservedEnvironment, UnansweredError

_HERE = "HERE"  # replaces a side's own address


@dataclass(frozen=True, kw_only=True)
class Way:
    """A client's way to one side of a move: the address to which it connects, and the host name that it requests (by default the address)."""

    side: ObservedEnvironment
    platform: str
    address: str
    name: str = ""

    async def failure(self, pauses: Sequence[float]) -> str:
        """Return why a smoke path was not answered well in several attempts; an empty text when all were."""
        for pause in (*pauses, None):
            if not (problem := await self._failure()) or pause is None:
                return problem
            await self.side.time.sleep(pause)
        return ""

    async def _failure(self) -> str:
        for path in self.side.smoke_paths:
            try:
                answer = await self.answer(path)
            except UnansweredError as error:
                return f"{error.what} ({error.next_step})"
            if answer.status >= 400:
                return f"{self.platform} answers {path} {self.under}with {answer.status}"
        return ""

    async def answer(self, path: str) -> "Answer":
        """Request a path. Raise UnansweredError when there is no answer."""
        try:
            found = await self.side.get(self.address, path, self.name)
        except UnansweredError as error:
            raise UnansweredError(
                f"{self.platform} does not answer {path} {self.under}".rstrip(), error.next_step
            ) from error
        kind = found.headers.get("content-type", "").partition(";")[0]
        return Answer(found.status_code, kind, found.text.replace(self.address or _HERE, _HERE))

    @property
    def under(self) -> str:
        return f"under the name {self.name} " if self.name else ""


@dataclass(frozen=True)
class Answer:
    """One answer. Its body does not contain the address of the side that answered."""

    status: int
    kind: str
    body: str


async def difference(old: Way, new: Way, *, bodies: bool) -> str:
    """Return how the new side's answers differ from the old side's; an empty text when they do not.

    With `bodies`, compare bodies, too.
    """
    for path in old.side.smoke_paths:
        try:
            before, again, after = [await way.answer(path) for way in (old, old, new)]
        except UnansweredError as error:
            return f"{error.what} ({error.next_step})"
        if (before.status, before.kind) != (after.status, after.kind):
            return (
                f"{old.platform} answers {path} {old.under}with {_shown(before)}, {new.platform} with {_shown(after)}"
            )
        if bodies and before == again and before.body != after.body:
            return f"both sides answer {path} {old.under}with different bodies, and {old.platform} repeats its own"
    return ""


def _shown(answer: Answer) -> str:
    return f"{answer.status} {answer.kind}".rstrip()
