"""The ledger of one environment: a queue, a lock and a history, in any store that accepts each name only once.

A name is never overwritten, so the first put succeeds and later ones fail; runs need no other coordination. Numbers
have no gaps. Old records are packed into blocks of a hundred deployments (archive.py), so that a few calls find the
newest number among thousands.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from slipway.records.certificate import Certificate
from slipway.records.form import from_json, to_json
from slipway.records.ledger import Accepted, History, Intent, LedgerBlock, Lock, Release
from slipway.records.migration import Migration
from slipway.release.engine.target import Operation

T = TypeVar("T")

PREFIX = "slipway."
# The number of deployments in a block, whose last intent is never packed. ECR also returns this many names in one call.
HUNDRED = 100
KINDS = ("intent", "migrated", "accepted", "certificate", "release")
_LOCK = "lock"
_RECENT, _NEXT = 17, 3  # the newest numbers, and those that may follow; the store returns their records in one call
_BLOCKS = 5  # read in one call
_PARTS = 9  # parts of a block whose records are too large for one record
# The first numbers to look for, up to two million deployments.
_HUNDREDS = tuple(dict.fromkeys(round(1.6**power) for power in range(22)))


@dataclass(frozen=True)
class Stored:
    """A stored text. `key` identifies its content. `age` is in seconds, by the store's own clock."""

    key: str
    age: float


class Store(Protocol):
    """The storage of a ledger. Names are letters, digits, `.`, `-` and `_`."""

    async def put(self, name: str, text: str) -> bool:
        """Store a text; return False when the name has another text. Putting the same text again returns True."""

    async def names(self) -> Collection[str]:
        """Return all names with the prefix PREFIX."""

    async def get(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return the texts by name; absent names are left out."""

    async def stored(self, name: str) -> Stored | None:
        """Return a name's key and age; None when it is absent."""

    async def remove(self, key: str) -> None:
        """Remove exactly this content. Do nothing when it no longer exists."""

    async def discard(self, names: Sequence[str]) -> None:
        """Remove these names. Absent names are ignored."""


@dataclass(frozen=True)
class Contents:
    """The newest deployment numbers in an environment's ledger, by kind of record."""

    intents: frozenset[int]
    accepted: frozenset[int]
    releases: frozenset[int]

    @property
    def newest(self) -> int:
        """The last number that was claimed; 0 before the first."""
        return max(self.intents | self.releases, default=0)


class Ledger:
    """The records of one environment in a store.

    A ledger searches its newest number only once. Later it reads only records that may be new: those of the newest
    numbers without an end, and those of the next numbers.
    """

    def __init__(self, store: Store, environment: str) -> None:
        self.store = store
        self.environment = environment
        self._known: set[tuple[int, str]] | None = None  # number and kind of the newest records
        self._searched: tuple[int, bool | None] | None = None
        self._packed = HUNDRED**4  # no block has numbers above this one
        self._blocks: dict[int, Mapping[str, str]] = {}  # the blocks that were read, by number

    async def contents(self) -> Contents:
        """Return the kinds of records that exist for the newest numbers."""
        numbers: dict[str, set[int]] = {"intent": set(), "accepted": set(), "release": set()}
        for number, kind in await self._recent():
            if kind in numbers:
                numbers[kind].add(number)
        return Contents(frozenset(numbers["intent"]), frozenset(numbers["accepted"]), frozenset(numbers["release"]))

    async def is_settled(self) -> bool:
        """Return whether the newest deployment has ended, or there is none.

        For ledgers with up to 38 deployments this takes one call.
        """
        if self._known is None:
            newest, is_ended = await self._search()
            if is_ended or not newest:
                return True
        contents = await self.contents()
        return contents.newest in contents.releases

    async def claim(self, intent: Intent, newest: int) -> Intent:
        """Claim the first free number after `newest`."""
        claimed = replace(intent, number=newest + 1)
        while not await self._put("intent", claimed):
            claimed = replace(claimed, number=claimed.number + 1)
        return claimed

    async def accept(self, number: int, operation: Operation) -> None:
        """Record the operation of a deployment, once."""
        accepted = Accepted(
            environment=self.environment,
            number=number,
            arn=operation.arn,
            operation=operation.id,
            creating=operation.creating,
        )
        await self._put("accepted", accepted)

    async def end(self, release: Release) -> None:
        """Record how a deployment ended. When several runs followed it, only the first record is kept."""
        await self._put("release", release)

    async def certify(self, number: int, certificate: Certificate) -> None:
        """Record the certificate of a deployment's migration, which a later rollback needs."""
        await self.store.put(self.name(number, "certificate"), to_json(certificate))

    async def migrated(self, number: int, migration: Migration) -> None:
        """Record the migration of a deployment, however the deployment ends."""
        await self.store.put(self.name(number, "migrated"), to_json(migration))

    async def migration(self, number: int) -> Migration | None:
        return await self._one(Migration, number, "migrated")

    async def last_migration(self) -> tuple[int, Migration] | None:
        """Return the number of the newest deployment that migrated, and its migration."""
        texts = await self._newest("migrated") or await self._every("migrated")
        newest = max((number for number, _ in self.numbered(texts)), default=0)
        migration = self._parsed(Migration, newest, "migrated", texts)
        return (newest, migration) if migration else None

    async def certificates(self, *, every: bool) -> tuple[Certificate, ...]:
        """Return the certificates of the newest hundred deployments.

        With `every`, return all certificates, which takes more calls.
        """
        texts = await (self._every if every else self._newest)("certificate")
        return tuple(from_json(Certificate, text, name) for name, text in texts.items())

    async def intent(self, number: int) -> Intent | None:
        return await self._one(Intent, number, "intent")

    async def newest_intents(self) -> tuple[Intent, ...]:
        newest = (await self.contents()).newest
        return await self._all(Intent, "intent", range(newest, max(newest - HUNDRED, 0), -1))

    async def accepted(self, number: int) -> Operation | None:
        return self._operation(number, await self.texts([self.name(number, "accepted")]))

    async def begun(self, numbers: Collection[int]) -> tuple[tuple[Intent, Operation | None], ...]:
        """Return the intents of these numbers, each with its accepted operation or None. This takes one call."""
        texts = await self.texts(self.name(number, kind) for number in numbers for kind in ("intent", "accepted"))
        intents = (self._parsed(Intent, number, "intent", texts) for number in numbers)
        return tuple((intent, self._operation(intent.number, texts)) for intent in intents if intent)

    async def releases(self, numbers: Collection[int]) -> tuple[Release, ...]:
        """Return the releases among these numbers, newest first."""
        return await self._all(Release, "release", sorted(numbers, reverse=True))

    async def newest_records(self, contents: Contents, most: int) -> tuple[Release | Intent, ...]:
        """Return the newest deployments, oldest first: the release of each, otherwise its intent."""
        numbers = range(max(contents.newest - most, 0) + 1, contents.newest + 1)
        ended = {release.number: release for release in await self.releases(numbers)}
        intents = await self._all(Intent, "intent", [number for number in numbers if number not in ended])
        begun = {intent.number: intent for intent in intents}
        records = (ended.get(number) or begun.get(number) for number in numbers)
        return tuple(record for record in records if record)

    async def history(self, most: int) -> History:
        """Return the newest deployments, at most `most`."""
        newest = (await self.contents()).newest
        numbers = range(newest, max(newest - most, 0), -1)
        releases = await self.releases(numbers)
        ended = {release.number for release in releases}
        unfinished = tuple(number for number in numbers if number not in ended)
        return History(
            environment=self.environment, releases=releases, unfinished=unfinished, older=max(newest - most, 0)
        )

    async def acquire_lock(self, lock: Lock) -> bool:
        """Acquire the lock, and return whether it was free."""
        return await self.store.put(self.lock_name, to_json(lock))

    async def lock(self) -> tuple[Lock, Stored] | None:
        """Return the held lock and how it is stored; None when the lock is free."""
        stored = await self.store.stored(self.lock_name)
        lock = await self._held() if stored else None
        return (lock, stored) if lock and stored else None

    async def locked_by(self) -> int | None:
        """Return the number of the deployment that holds the lock; None when it is free.

        This needs only permission to read the ledger.
        """
        lock = await self._held()
        return lock.number if lock else None

    async def release_lock(self, key: str) -> None:
        """Release the lock with this key, which `lock` returned.

        A lock that another process has acquired meanwhile stays.
        """
        await self.store.remove(key)

    async def texts(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return the texts of numbered records by name, including those in blocks. Absent names are left out."""
        wanted = list(names)
        texts = dict(await self.store.get(wanted)) if wanted else {}
        absent = [name for name in wanted if name not in texts]
        blocks = {block_of(number) for number, _ in self.numbered(absent) if number <= self._packed}
        packed = await self._unpacked(blocks)
        return texts | {name: packed[name] for name in absent if name in packed}

    def name(self, number: int, kind: str) -> str:
        return f"{PREFIX}{self.environment}.{number}.{kind}"

    def block_names(self, block: int) -> tuple[str, ...]:
        """Return the possible names of a block's parts."""
        name = f"{PREFIX}{self.environment}.block.{block}"
        return (name, *(f"{name}.{part}" for part in range(2, _PARTS + 1)))

    def numbered(self, names: Iterable[str]) -> set[tuple[int, str]]:
        """Return number and kind of the records with these names, if they belong to this environment."""
        beginning = f"{PREFIX}{self.environment}."
        parts = [name.removeprefix(beginning).partition(".") for name in names if name.startswith(beginning)]
        return {(int(number), kind) for number, _, kind in parts if number.isdecimal()}

    async def _recent(self) -> Collection[tuple[int, str]]:
        """Return number and kind of the newest numbers' records."""
        if self._known is None:
            newest, _ = await self._search()
            self._known, asked = set(), [*range(max(newest - _RECENT, 0) + 1, newest + _NEXT + 1)]
        else:
            asked = _unended(self._known)
        while True:
            texts = await self.texts(self.name(number, kind) for number in asked for kind in KINDS)
            self._known |= self.numbered(texts)
            if max(self._known, default=(0, ""))[0] < max(asked):
                return self._known
            asked = _unended(self._known)

    async def _search(self) -> tuple[int, bool | None]:
        """Return the newest number and whether its deployment has ended; None when the calls did not show that.

        First look for every hundredth number, whose intents are never packed, then for those after the last one found.
        The same first call also looks for the lowest numbers and their ends, so a young ledger needs no second call.
        """
        if self._searched is None:
            hundreds = [HUNDRED * each for each in _HUNDREDS]
            young = range(1, (HUNDRED - len(hundreds)) // 2 + 1)
            looked: Sequence[int] = [*young, *hundreds]
            found = await self._claimed((0, None), looked, young)
            free = next(number for number in looked if number > found[0])
            for step in (HUNDRED, 1):
                looked = range(found[0] + step, free, step)
                found = await self._claimed(found, looked, looked[: HUNDRED - len(looked)])
                free = min(free, found[0] + HUNDRED)
            self._packed = found[0] - 2 * HUNDRED
            self._searched = found
        return self._searched

    async def _claimed(
        self, before: tuple[int, bool | None], numbers: Sequence[int], ends: Sequence[int]
    ) -> tuple[int, bool | None]:
        """Return the newest claimed number in `numbers`, and whether it has ended if it is in `ends`.

        Return `before` when none is claimed.
        """
        names = [self.name(number, "intent") for number in numbers] + [self.name(number, "release") for number in ends]
        records = self.numbered(await self.store.get(names)) if names else set()
        newest = max((number for number, kind in records if kind == "intent"), default=0)
        if not newest:
            return before
        return newest, (newest, "release") in records if newest in ends else None

    async def _newest(self, kind: str) -> Mapping[str, str]:
        """Return the texts of the newest hundred numbers' records of a kind, by name."""
        newest = (await self.contents()).newest
        return await self.texts(self.name(number, kind) for number in range(max(newest - HUNDRED, 0) + 1, newest + 1))

    async def _every(self, kind: str) -> Mapping[str, str]:
        """Return the texts of all records of a kind, by name; takes a call for each thousand names, and one for a few blocks."""
        beginning, names = f"{PREFIX}{self.environment}.", await self.store.names()
        own = [name for name in names if name.startswith(beginning)]
        blocks = [name.removeprefix(f"{beginning}block.").split(".")[0] for name in own if ".block." in name]
        packed = await self._unpacked({int(block) for block in blocks})
        single = [name for name in own if (name.endswith(f".{kind}") and self.numbered([name]))]
        found = await self.store.get(single) if single else {}
        return {name: text for name, text in packed.items() if name.endswith(f".{kind}")} | dict(found)

    async def _unpacked(self, blocks: Collection[int]) -> Mapping[str, str]:
        """Return the texts in these blocks by name. Read a few blocks per call, because one may have a megabyte."""
        unread = sorted(block for block in blocks if block not in self._blocks)
        for first in range(0, len(unread), _BLOCKS):
            names = {block: self.block_names(block) for block in unread[first : first + _BLOCKS]}
            texts = await self.store.get([name for own in names.values() for name in own])
            for block, own in names.items():
                parts = [from_json(LedgerBlock, texts[name], name).records for name in own if name in texts]
                if parts:
                    self._blocks[block] = {name: text for part in parts for name, text in part.items()}
        return {name: text for block in blocks for name, text in self._blocks.get(block, {}).items()}

    async def _put(self, kind: str, record: Intent | Accepted | Release) -> bool:
        return await self.store.put(self.name(record.number, kind), to_json(record))

    def _parsed(self, kind: type[T], number: int, name: str, texts: Mapping[str, str]) -> T | None:
        full = self.name(number, name)
        return from_json(kind, texts[full], full) if full in texts else None

    def _operation(self, number: int, texts: Mapping[str, str]) -> Operation | None:
        accepted = self._parsed(Accepted, number, "accepted", texts)
        return Operation(accepted.arn, accepted.operation, accepted.creating) if accepted else None

    async def _one(self, kind: type[T], number: int, name: str) -> T | None:
        return next(iter(await self._all(kind, name, [number])), None)

    async def _all(self, kind: type[T], name: str, numbers: Iterable[int]) -> tuple[T, ...]:
        """Return the records of a kind for these numbers, in their order. Absent records are left out."""
        names = [self.name(number, name) for number in numbers]
        texts = await self.texts(names)
        return tuple(from_json(kind, texts[each], each) for each in names if each in texts)

    async def _held(self) -> Lock | None:
        texts = await self.store.get([self.lock_name])
        return from_json(Lock, texts[self.lock_name], self.lock_name) if self.lock_name in texts else None

    @property
    def lock_name(self) -> str:
        return f"{PREFIX}{self.environment}.{_LOCK}"


def block_of(number: int) -> int:
    """Return the number of the block into which a deployment's records are packed."""
    return (number - 1) // HUNDRED + 1


def _unended(records: Collection[tuple[int, str]]) -> list[int]:
    """Return the numbers that may get further records: the newest numbers without an end, and the next numbers."""
    ended = {number for number, kind in records if kind == "release"}
    newest = max((number for number, _ in records), default=0)
    open_numbers = sorted({number for number, _ in records} - ended)[-_RECENT:]
    return [*open_numbers, *range(newest + 1, newest + _NEXT + 1)]


def nonce() -> str:
    """Return a random text that makes a record unique, so that a run can tell its own record from an equal one."""
    return secrets.token_hex(8)
