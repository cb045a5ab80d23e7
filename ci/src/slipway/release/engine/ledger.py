"""The ledger of one environment: a queue, a lock and a history, in any store that accepts each name once.

A name is never overwritten, so the first put wins; deployments need no other agreement.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Protocol, TypeVar

from slipway.errors import BadInputError, RefusedError
from slipway.records.certificate import Certificate
from slipway.records.form import from_json, to_json
from slipway.records.image import Reference
from slipway.records.ledger import Accepted, History, Intent, Lock, Release
from slipway.records.migration import Migration
from slipway.records.outcome import Status, Verb
from slipway.release.engine.target import Operation

T = TypeVar("T")

PREFIX = "slipway."
_LOCK = "lock"
_KINDS = ("intent", "migrated", "accepted", "certificate", "release")
_MOST_UNENDED = 20  # numbers, whose records the store returns in one call
RELEASES = (Verb.DEPLOY, Verb.PROMOTE, Verb.ROLLBACK)
_NAME_IT = "name one with --to; `slipway history` lists them"
_NEWEST = 10  # durations of older deployments are another service's
_LEAST = 2  # one duration predicts nothing


@dataclass(frozen=True)
class Stored:
    """A stored text. `key` identifies its content, `age` is in seconds by the store's own clock."""

    key: str
    age: float


class Store(Protocol):
    """The storage of a ledger. Names are letters, digits, `.`, `-` and `_`."""

    async def put(self, name: str, text: str) -> bool:
        """Store a text; return False when the name has another text. Putting the same text again returns True."""

    async def names(self) -> Collection[str]:
        """Return all names that begin with PREFIX."""

    async def get(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return the texts by name; absent names are left out."""

    async def stored(self, name: str) -> Stored | None:
        """Return a name's key and age; None when it is absent."""

    async def remove(self, key: str) -> None:
        """Remove exactly this content; does nothing when it is gone already."""


@dataclass(frozen=True)
class Contents:
    """The deployment numbers in an environment's ledger, by kind of record."""

    intents: frozenset[int]
    accepted: frozenset[int]
    releases: frozenset[int]

    @property
    def newest(self) -> int:
        """The last number that was claimed; 0 before the first."""
        return max(self.intents | self.releases, default=0)


class Ledger:
    """The records of one environment in a store.

    A ledger lists its store once, which takes a call for each thousand records. Afterwards it asks only for what can have come since:
    records of numbers without an end, and of the next numbers.
    """

    def __init__(self, store: Store, environment: str) -> None:
        self._store = store
        self._environment = environment
        self._listed: set[tuple[int, str]] | None = None  # number and kind of every record

    async def contents(self) -> Contents:
        """Return which records exist."""
        numbers: dict[str, set[int]] = {"intent": set(), "accepted": set(), "release": set()}
        for number, kind in await self._records():
            if kind in numbers:
                numbers[kind].add(number)
        return Contents(frozenset(numbers["intent"]), frozenset(numbers["accepted"]), frozenset(numbers["release"]))

    async def claim(self, intent: Intent, newest: int) -> Intent:
        """Claim the first free number after `newest`."""
        claimed = replace(intent, number=newest + 1)
        while not await self._put("intent", claimed):
            claimed = replace(claimed, number=claimed.number + 1)
        return claimed

    async def accept(self, number: int, operation: Operation) -> None:
        """Record the operation of a deployment, once."""
        accepted = Accepted(
            environment=self._environment,
            number=number,
            arn=operation.arn,
            operation=operation.id,
            creating=operation.creating,
        )
        await self._put("accepted", accepted)

    async def end(self, release: Release) -> None:
        """Record how a deployment ended; of several runs that followed it, the first wins."""
        await self._put("release", release)

    async def certify(self, number: int, certificate: Certificate) -> None:
        """Record the certificate of a deployment's migration, which a later rollback needs."""
        await self._store.put(self._name(number, "certificate"), to_json(certificate))

    async def migrated(self, number: int, migration: Migration) -> None:
        """Record what a deployment's migration did to the database, whatever becomes of the deployment."""
        await self._store.put(self._name(number, "migrated"), to_json(migration))

    async def migration(self, number: int) -> Migration | None:
        return await self._one(Migration, self._name(number, "migrated"))

    async def last_migration(self) -> tuple[int, Migration] | None:
        """Return the newest deployment that has migrated, ended or not, and what its migration did."""
        newest = max((number for number, kind in await self._records() if kind == "migrated"), default=0)
        migration = await self.migration(newest) if newest else None
        return (newest, migration) if migration else None

    async def certificates(self) -> tuple[Certificate, ...]:
        """Return all recorded certificates."""
        numbers = [number for number, kind in await self._records() if kind == "certificate"]
        return await self._all(Certificate, [self._name(number, "certificate") for number in numbers])

    async def intent(self, number: int) -> Intent | None:
        return await self._one(Intent, self._name(number, "intent"))

    async def accepted(self, number: int) -> Operation | None:
        return self._operation(number, await self._store.get([self._name(number, "accepted")]))

    async def unended(self, numbers: Collection[int]) -> tuple[tuple[Intent, Operation | None], ...]:
        """Return the intents of these numbers, each with the accepted operation if there is one, with one call."""
        names = [self._name(number, kind) for number in numbers for kind in ("intent", "accepted")]
        texts = await self._store.get(names) if names else {}
        intents = (self._parsed(Intent, number, "intent", texts) for number in numbers)
        return tuple((intent, self._operation(intent.number, texts)) for intent in intents if intent)

    async def releases(self, numbers: Collection[int]) -> tuple[Release, ...]:
        """Return the ended deployments of these numbers, newest first."""
        return await self._all(Release, [self._name(number, "release") for number in sorted(numbers, reverse=True)])

    async def newest_records(self, contents: Contents, most: int) -> tuple[Release | Intent, ...]:
        """Return the newest deployments, oldest first: how each ended, or what it intends."""
        numbers = sorted(contents.intents | contents.releases)[-most:]
        kinds: dict[int, type[Release | Intent]] = {
            number: Release if number in contents.releases else Intent for number in numbers
        }
        names = [self._name(number, kind.__name__.lower()) for number, kind in kinds.items()]
        texts = await self._store.get(names) if names else {}
        records = (self._parsed(kind, number, kind.__name__.lower(), texts) for number, kind in kinds.items())
        return tuple(record for record in records if record)

    async def history(self, most: int) -> History:
        """Return the newest ended deployments, at most `most`, and the numbers of all unfinished ones."""
        contents = await self.contents()
        newest = await self.releases(sorted(contents.releases)[-most:])
        return History(self._environment, newest, tuple(sorted(contents.intents - contents.releases, reverse=True)))

    async def acquire_lock(self, lock: Lock) -> bool:
        """Take the lock; return whether it was free."""
        return await self._store.put(self._lock_name, to_json(lock))

    async def lock(self) -> tuple[Lock, Stored] | None:
        """Return the lock that is held, and how it is stored; None when it is free."""
        stored = await self._store.stored(self._lock_name)
        lock = await self._one(Lock, self._lock_name) if stored else None
        return (lock, stored) if lock and stored else None

    async def locked_by(self) -> int | None:
        """Return the number that holds the lock; None when it is free. This needs no more than the right to read the ledger."""
        lock = await self._one(Lock, self._lock_name)
        return lock.number if lock else None

    async def release_lock(self, key: str) -> None:
        """Release a lock by the key that `lock` returned, so that a lock taken since then stays."""
        await self._store.remove(key)

    async def _records(self) -> Collection[tuple[int, str]]:
        """Return number and kind of every numbered record."""
        unended = _unended(self._listed or ())
        if self._listed is None or len(unended) > _MOST_UNENDED:
            self._listed = self._numbered(await self._store.names())
            return self._listed
        while (new := await self._new(unended)) and max(new)[0] >= max(unended):
            self._listed |= new
            unended = _unended(self._listed)
        self._listed |= new
        return self._listed

    async def _new(self, numbers: Collection[int]) -> set[tuple[int, str]]:
        """Return the records that these numbers have now."""
        texts = await self._store.get([self._name(number, kind) for number in numbers for kind in _KINDS])
        return self._numbered(texts)

    def _numbered(self, names: Collection[str]) -> set[tuple[int, str]]:
        beginning = f"{PREFIX}{self._environment}."
        parts = [name.removeprefix(beginning).partition(".") for name in names if name.startswith(beginning)]
        return {(int(number), kind) for number, _, kind in parts if number.isdecimal()}

    @property
    def _lock_name(self) -> str:
        return f"{PREFIX}{self._environment}.{_LOCK}"

    def _name(self, number: int, kind: str) -> str:
        return f"{PREFIX}{self._environment}.{number}.{kind}"

    async def _put(self, kind: str, record: Intent | Accepted | Release) -> bool:
        return await self._store.put(self._name(record.number, kind), to_json(record))

    def _parsed(self, kind: type[T], number: int, name: str, texts: Mapping[str, str]) -> T | None:
        full = self._name(number, name)
        return from_json(kind, texts[full], full) if full in texts else None

    def _operation(self, number: int, texts: Mapping[str, str]) -> Operation | None:
        accepted = self._parsed(Accepted, number, "accepted", texts)
        return Operation(accepted.arn, accepted.operation, accepted.creating) if accepted else None

    async def _one(self, kind: type[T], name: str) -> T | None:
        return next(iter(await self._all(kind, [name])), None)

    async def _all(self, kind: type[T], names: Sequence[str]) -> tuple[T, ...]:
        """Return the records of these names, in their order; absent ones are left out."""
        texts = await self._store.get(names) if names else {}
        return tuple(from_json(kind, texts[name], name) for name in names if name in texts)


def _unended(records: Collection[tuple[int, str]]) -> list[int]:
    """Return the numbers of which further records may come: those without an end, and the next ones."""
    ended = {number for number, kind in records if kind == "release"}
    newest = max((number for number, _ in records), default=0)
    return sorted({number for number, _ in records} - ended) + [newest + following for following in range(1, 4)]


def nonce() -> str:
    """Return a random text that makes a record unique, so that another run's equal record is not taken for this run's."""
    return secrets.token_hex(8)


def newer_than(image: str, records: Sequence[Release | Intent]) -> tuple[int, int] | None:
    """Return the number that first brought an image, and the one that brought the newer image of now; None when there is no newer one.

    Images are as old as their first deployment, so a rollback makes none newer. `records` oldest first.
    """
    deployed = [record for record in records if record.verb in RELEASES]
    first: dict[str, int] = {}
    for record in deployed:
        first.setdefault(record.image, record.number)
    now = next((record for record in reversed(deployed) if isinstance(record, Intent) or was_brought(record)), None)
    is_older = now is not None and first.get(image, now.number) < first[now.image]
    return (first[image], now.number) if now and is_older else None


def named_release(releases: Sequence[Release], number: int) -> Release:
    """Return the release of this number; raises BadInputError when it was never live."""
    release = next((release for release in releases if release.number == number), None)
    if release is None:
        raise BadInputError(f"the ledger has no deployment {number} that has ended", _NAME_IT)
    if not was_live(release):
        raise BadInputError(f"deployment {number} was never live, it ended as {release.status.value}", _NAME_IT)
    return release


def release_before(releases: Sequence[Release], live: str | None) -> Release:
    """Return the newest release that was live and has another digest than `live`; `releases` newest first.

    Raises RefusedError when there is none, and after a rollback, also the platform's own: it must not go back twice unless its user names
    a release.
    """
    newest = next((release for release in releases if was_brought(release) or _went_back(release)), None)
    if newest and newest.verb is Verb.ROLLBACK:
        raise RefusedError(f"the last deployment, {newest.number}, was itself a rollback", _NAME_IT)
    if newest and _went_back(newest):
        what = f"the platform has rolled back the last deployment, {newest.number}, to the release before"
        raise RefusedError(what, _NAME_IT)
    release = next((release for release in releases if was_live(release) and digest_of(release) != live), None)
    if release is None:
        raise RefusedError("no other release was ever live here", "deploy one with --image")
    return release


def is_rollback(intent: Intent | None) -> bool:
    """Return whether the newest, unfinished intent is a rollback: the next run resumes it, with its own destination."""
    return intent is not None and intent.verb is Verb.ROLLBACK


def _went_back(release: Release) -> bool:
    return release.verb in RELEASES and release.status is Status.ROLLED_BACK


def was_brought(release: Release) -> bool:
    """Return whether a release went live, also one whose address did not answer."""
    return was_live(release) or (release.verb in RELEASES and release.status is Status.UNANSWERED)


def was_live(release: Release) -> bool:
    return release.verb in RELEASES and release.status in (Status.SUCCEEDED, Status.NOOP)


def live_with(releases: Sequence[Release], digest: str | None) -> Release | None:
    """Return the newest release that went live with this digest; None if there is none. `releases` newest first."""
    return next((release for release in releases if was_brought(release) and digest_of(release) == digest), None)


def digest_of(record: Release | Intent) -> str:
    """Return the digest that a record names; raises BadInputError for the record of a verb without a release."""
    return Reference.parse(record.image).digest


def expected_seconds(releases: Collection[Release]) -> float | None:
    """Return the median duration of the newest successes; None when there are too few."""
    newest = sorted(releases, key=lambda release: release.number, reverse=True)
    seconds = [release.seconds for release in newest if release.status is Status.SUCCEEDED and release.seconds][
        :_NEWEST
    ]
    return median(seconds) if len(seconds) >= _LEAST else None
