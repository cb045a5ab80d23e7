"""slipway's cache on this machine: virtual environments, servers, databases after old revisions, models of previous releases.

Its size is limited, and everything in it can be made again. The least recently used entry is removed first.
"""

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from slipway.postgres.datadir import cache
from slipway.records.command import CacheEntry, CacheKind, CacheReport
from slipway.workload.python import READY

LIMIT_BYTES: Final = 2 * 2**30
_DAY: Final = 86_400
_UNUSED_SECONDS: Final = 30 * _DAY
_IN_USE_SECONDS: Final = 3600  # a run may still use the entry
_PLACES: Final = {
    CacheKind.ENVIRONMENT: "environments/*/",
    CacheKind.SERVER: "postgres-*",
    CacheKind.DATABASES: "gate-*",
    CacheKind.RELEASE: "previous-*/",
}


def report() -> CacheReport:
    return CacheReport(folder=str(cache()), limit=LIMIT_BYTES, entries=tuple(_entries()))


def clear() -> CacheReport:
    """Remove all entries, including those that a run uses now."""
    return _without(report().entries)


def prune(now: float | None = None) -> CacheReport:
    """Remove entries that were unused for 30 days, then the least recently used ones until the cache is small enough.

    Keep entries that were used in the last hour, unless they are that old.
    """
    return _without(superfluous(report().entries, time.time() if now is None else now))


def prune_daily() -> None:
    """Prune the cache when the last pruning was a day ago. Ignore errors of the cache."""
    mark = cache() / "pruned"
    with suppress(OSError):
        if not mark.exists() or time.time() - mark.stat().st_mtime > _DAY:
            mark.touch()
            prune()


def superfluous(entries: Iterable[CacheEntry], now: float) -> Iterator[CacheEntry]:
    """Yield the entries that are too old, and those that exceed the cache's limit."""
    kept = 0
    for entry in sorted(entries, key=lambda entry: -entry.used):
        kept += entry.bytes
        age = now - entry.used
        if age > _UNUSED_SECONDS or (kept > LIMIT_BYTES and age > _IN_USE_SECONDS):
            kept -= entry.bytes
            yield entry


def _entries() -> Iterator[CacheEntry]:
    for kind, pattern in _PLACES.items():
        for path in sorted(cache().glob(pattern)):
            with suppress(OSError):  # another run has removed the entry
                used = (path / READY if (path / READY).exists() else path).stat().st_mtime
                yield CacheEntry(kind, path.relative_to(cache()).as_posix(), _size(path), int(used))


def _size(entry: Path) -> int:
    """Return the bytes on the disk; files that uv links into several environments count in each."""
    files = [Path(place, name) for place, _, names in os.walk(entry) for name in names] or [entry]
    return sum(file.lstat().st_blocks * 512 for file in files)


def _without(entries: Iterable[CacheEntry]) -> CacheReport:
    """Remove entries, and report the others.

    Each entry is renamed first, so that no other run sees a half-removed one.
    """
    removed = tuple(entries)
    for entry in removed:
        path = cache() / entry.name
        with (
            suppress(OSError),
            tempfile.TemporaryDirectory(prefix="gone-", dir=path.parent, ignore_cleanup_errors=True) as gone,
        ):
            path.rename(Path(gone, "entry"))
    left = report()
    stays = {entry.name for entry in left.entries}
    return replace(left, removed=tuple(entry for entry in removed if entry.name not in stays))
