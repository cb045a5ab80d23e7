"""A deployment without its ledger, for an emergency in which the store fails.

It is recorded as soon as the store accepts it.
Without the store only the platform prevents concurrent runs: it refuses a second change while one is in progress.
"""

import json
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio

from slipway.errors import SlipwayError, UnknownOutcomeError
from slipway.release.engine.ledger import KINDS, Ledger, Store, Stored

T = TypeVar("T")
_PATIENCE_SECONDS = 10.0  # limit for a store that does not answer; the same run does not try it again


@dataclass
class LateStore:
    """A store in front of the ledger's store.

    It keeps records that the other store refuses. Records that the other store cannot return count as absent.
    `failure` is why the other store failed, or None.
    """

    store: Store
    kept: dict[str, str] = field(default_factory=dict)
    is_silent: bool = False
    failure: SlipwayError | None = None

    async def put(self, name: str, text: str) -> bool:
        if name in self.kept:
            return self.kept[name] == text
        accepted = await self._or(None, self.store.put(name, text))
        if accepted is None:
            self.kept[name] = text
        return accepted is not False

    async def names(self) -> Collection[str]:
        return {*await self._or((), self.store.names()), *self.kept}

    async def get(self, names: Sequence[str]) -> Mapping[str, str]:
        texts = await self._or({}, self.store.get(names))
        return {**texts, **{name: self.kept[name] for name in names if name in self.kept}}

    async def stored(self, name: str) -> Stored | None:
        return Stored(name, 0) if name in self.kept else await self._or(None, self.store.stored(name))

    async def remove(self, key: str) -> None:
        if self.kept.pop(key, None) is None:
            await self._or(None, self.store.remove(key))

    async def discard(self, names: Sequence[str]) -> None:
        await self._or(None, self.store.discard(names))

    async def _or(self, otherwise: T, answer: Coroutine[Any, Any, T]) -> T:
        if self.is_silent:
            answer.close()
            return otherwise
        with anyio.move_on_after(_PATIENCE_SECONDS):
            try:
                return await answer
            except SlipwayError as error:
                self.failure = error
                return otherwise
        self.is_silent = True
        self.failure = UnknownOutcomeError(
            f"its repository in ECR has not answered for {_PATIENCE_SECONDS:.0f} s",
            "look at https://health.aws.amazon.com",
        )
        return otherwise


async def record(ledger: Ledger, kept: Mapping[str, str]) -> tuple[int, ...]:
    """Store kept records, and return the numbers of their deployments. Raise SlipwayError when the ledger refuses.

    A deployment keeps its number when its intent is already in the ledger. Others get the next free numbers.
    """
    numbers = []
    for was in sorted({number for number, _ in ledger.numbered(kept)}):
        texts = {kind: kept[ledger.name(was, kind)] for kind in KINDS if ledger.name(was, kind) in kept}
        number = was if "intent" not in texts else (await ledger.contents()).newest + 1
        for kind, text in texts.items():  # the intent comes first, because it claims the number
            while not await ledger.store.put(ledger.name(number, kind), _numbered(text, number)) and kind == "intent":
                number += 1
        numbers.append(number)
    return tuple(numbers)


def _numbered(text: str, number: int) -> str:
    """Return a record with another number, if it has a number."""
    data = json.loads(text)
    return json.dumps(data | ({"number": number} if "number" in data else {}), indent=2) + "\n"
