"""The ledger of one environment: a queue, a lock and a history, in any store that takes each name once.

A name that is put is never overwritten, so the first to put it has it; that is all that deployments need to agree on.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from slipway.records.certificate import Certificate
from slipway.records.form import from_json, to_json
from slipway.records.ledger import Accepted, Intent, Lock, Release
from slipway.records.migration import Migration

Record = Intent | Lock | Accepted | Release
R = TypeVar("R", Intent, Lock, Accepted, Release)

PREFIX = "slipway."
_LOCK = "lock"


@dataclass(frozen=True)
class Stored:
    """Something under a name: `key` is good for this content only, `age` its seconds by the store's own clock."""

    key: str
    age: float


class Store(Protocol):
    """What a ledger is kept in. Names are letters, digits, `.`, `-` and `_`."""

    async def put(self, name: str, text: str) -> bool:
        """Keep a text; False when the name is taken by another. The same text again is no other."""
        ...

    async def names(self) -> Collection[str]:
        """All names that begin with PREFIX."""
        ...

    async def get(self, names: Sequence[str]) -> Mapping[str, str]:
        """The texts of those names that are there."""
        ...

    async def stored(self, name: str) -> Stored | None:
        """Its key and age; None when there is no such name."""
        ...

    async def remove(self, key: str) -> None:
        """Take away exactly this content; that it is gone already is no error."""
        ...


@dataclass(frozen=True)
class Contents:
    """The numbers that an environment's ledger has, by kind."""

    intents: frozenset[int]
    accepted: frozenset[int]
    releases: frozenset[int]

    @property
    def newest(self) -> int:
        """The last number that was given; 0 before the first."""
        return max(self.intents | self.releases, default=0)


class Ledger:
    """The records of one environment in a store."""

    def __init__(self, store: Store, environment: str) -> None:
        self._store = store
        self._environment = environment

    async def contents(self) -> Contents:
        """Which records there are; one call."""
        found: dict[str, set[int]] = {"intent": set(), "accepted": set(), "release": set()}
        beginning = f"{PREFIX}{self._environment}."
        for name in await self._store.names():
            number, _, kind = name.removeprefix(beginning).partition(".")
            if name.startswith(beginning) and number.isdecimal() and kind in found:
                found[kind].add(int(number))
        return Contents(frozenset(found["intent"]), frozenset(found["accepted"]), frozenset(found["release"]))

    async def claim(self, intent: Intent, newest: int) -> Intent:
        """Take the next number after `newest` that nobody has."""
        claimed = replace(intent, number=newest + 1)
        while not await self._put("intent", claimed):
            claimed = replace(claimed, number=claimed.number + 1)
        return claimed

    async def accept(self, accepted: Accepted) -> None:
        """Write down an operation, unless that has been done."""
        await self._put("accepted", accepted)

    async def end(self, release: Release) -> None:
        """Write down how a deployment ended; whoever followed it, the first has said it."""
        await self._put("release", release)

    async def certify(self, number: int, certificate: Certificate) -> None:
        """Keep what was proven of a deployment's step, for whoever asks later whether that step can be taken back."""
        await self._store.put(self._name(number, "certificate"), to_json(certificate))

    async def migrated(self, number: int, migration: Migration) -> None:
        """Keep what a deployment's migration did to the database, whatever becomes of the deployment."""
        await self._store.put(self._name(number, "migrated"), to_json(migration))

    async def migration(self, number: int) -> Migration | None:
        name = self._name(number, "migrated")
        text = (await self._store.get([name])).get(name)
        return None if text is None else from_json(Migration, text, name)

    async def last_migration(self) -> tuple[int, Migration] | None:
        """The newest deployment that has migrated, ended or not, and what that did."""
        beginning, end = f"{PREFIX}{self._environment}.", ".migrated"
        numbers = [
            int(found)
            for name in await self._store.names()
            if name.startswith(beginning)
            and (found := name.removeprefix(beginning).removesuffix(end)).isdecimal()
            and name.endswith(end)
        ]
        newest = max(numbers, default=0)
        done = await self.migration(newest) if newest else None
        return (newest, done) if done else None

    async def certificates(self) -> tuple[Certificate, ...]:
        """All that were ever kept here."""
        beginning = f"{PREFIX}{self._environment}."
        names = [
            name for name in await self._store.names() if name.startswith(beginning) and name.endswith(".certificate")
        ]
        texts = await self._store.get(names) if names else {}
        return tuple(from_json(Certificate, text, name) for name, text in texts.items())

    async def intent(self, number: int) -> Intent | None:
        return await self._one(Intent, self._name(number, "intent"))

    async def accepted(self, number: int) -> Accepted | None:
        return await self._one(Accepted, self._name(number, "accepted"))

    async def releases(self, numbers: Collection[int]) -> tuple[Release, ...]:
        """Those of these numbers that have ended, newest first."""
        names = [self._name(number, "release") for number in sorted(numbers, reverse=True)]
        texts = await self._store.get(names) if names else {}
        return tuple(from_json(Release, texts[name], name) for name in names if name in texts)

    async def take_turn(self, lock: Lock) -> bool:
        """Whether the lock is ours now."""
        return await self._store.put(self._lock_name, to_json(lock))

    async def turn(self) -> tuple[Lock, Stored] | None:
        """Whose turn it is, and since when; None when it is nobody's."""
        stored = await self._store.stored(self._lock_name)
        lock = await self._one(Lock, self._lock_name) if stored else None
        return (lock, stored) if lock and stored else None

    async def end_turn(self, key: str) -> None:
        """Free a lock by the key that `turn` gave: not one that somebody has taken since."""
        await self._store.remove(key)

    @property
    def _lock_name(self) -> str:
        return f"{PREFIX}{self._environment}.{_LOCK}"

    def _name(self, number: int, kind: str) -> str:
        return f"{PREFIX}{self._environment}.{number}.{kind}"

    async def _put(self, kind: str, record: Intent | Accepted | Release) -> bool:
        return await self._store.put(self._name(record.number, kind), to_json(record))

    async def _one(self, kind: type[R], name: str) -> R | None:
        text = (await self._store.get([name])).get(name)
        return None if text is None else from_json(kind, text, name)


def nonce() -> str:
    """What makes a record unlike every other, so that the same words of somebody else are not taken for ours."""
    return secrets.token_hex(8)
