"""A ledger's store in memory: a dictionary that accepts each name once. A mortal client may die at any of its calls."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from slipway.release.engine.ledger import Stored
from slipway.simulator.clock import VirtualClock
from tests.release.deployers import Mortal


@dataclass
class Shelf:
    """The content that all clients share: texts, each with the time of its put."""

    clock: VirtualClock
    texts: dict[str, tuple[str, datetime]] = field(default_factory=dict)


class MemoryStore:
    """A shelf as one process reaches it."""

    def __init__(self, shelf: Shelf, mortal: Mortal | None = None) -> None:
        self._shelf = shelf
        self._mortal = mortal or Mortal(None)

    async def put(self, name: str, text: str) -> bool:
        async def request() -> bool:
            kept, _ = self._shelf.texts.setdefault(name, (text, self._shelf.clock.now()))
            return kept == text

        return await self._mortal("ledger", request)

    async def names(self) -> Collection[str]:
        async def request() -> Collection[str]:
            return list(self._shelf.texts)

        return await self._mortal("ledger", request)

    async def get(self, names: Sequence[str]) -> Mapping[str, str]:
        async def request() -> Mapping[str, str]:
            return {name: self._shelf.texts[name][0] for name in names if name in self._shelf.texts}

        return await self._mortal("ledger", request)

    async def stored(self, name: str) -> Stored | None:
        async def request() -> Stored | None:
            if name not in self._shelf.texts:
                return None
            text, since = self._shelf.texts[name]
            return Stored(_key(text), (self._shelf.clock.now() - since).total_seconds())

        return await self._mortal("ledger", request)

    async def remove(self, key: str) -> None:
        async def request() -> None:
            for name, (text, _) in list(self._shelf.texts.items()):
                if _key(text) == key:
                    del self._shelf.texts[name]

        return await self._mortal("ledger", request)

    async def discard(self, names: Sequence[str]) -> None:
        async def request() -> None:
            for name in names:
                self._shelf.texts.pop(name, None)

        return await self._mortal("ledger", request)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
