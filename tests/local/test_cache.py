"""The cache on this machine: what it holds, and what is removed first."""

import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from slipway.local import cache
from slipway.records.command import CacheEntry, CacheKind
from slipway.report.text import of_cache

NOW = 1_800_000_000
DAY = 86_400


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Writes an entry that was used some days ago."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "LIMIT_BYTES", 100_000)

    def write(name, days, size=1):
        folder = tmp_path / "slipway" / name
        folder.mkdir(parents=True)
        (folder / "data").write_bytes(os.urandom(size))
        used = folder / "slipway-ready" if name.startswith("env") else folder
        if used != folder:
            used.touch()
        os.utime(used, (NOW - days * DAY,) * 2)
        return folder

    return write


def names(entries):
    return [entry.name for entry in entries]


def test_a_relative_folder_is_one_of_the_current_folder_for_every_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", ".cache")
    assert cache.report().folder == str(tmp_path / ".cache/slipway")


def test_it_is_listed_by_kind_with_sizes_and_the_last_use(cached):
    cached("environments/abc", 3, 9000)
    cached("postgres-1", 2)
    cached("gate-1-2", 1)
    cached("foreign", 0)
    report = cache.report()
    assert [(entry.kind, entry.used) for entry in report.entries] == [
        (CacheKind.ENVIRONMENT, NOW - 3 * DAY),
        (CacheKind.SERVER, NOW - 2 * DAY),
        (CacheKind.DATABASES, NOW - DAY),
    ]
    assert report.entries[0].bytes >= 9000
    assert "   1  environments of services, 0 MB, last used 2027-01-12 08:00:00Z\n" in of_cache(report)


def test_what_is_old_goes_and_then_the_oldest_until_the_rest_is_small_enough(cached):
    for number, days in enumerate([0.01, 0.02, 2, 3, 40]):
        cached(f"gate-{number}", days, 45_000 if days else 1)
    report = cache.prune(NOW)
    assert (names(report.entries), names(report.removed)) == (["gate-0", "gate-1"], ["gate-2", "gate-3", "gate-4"])


def test_what_was_used_in_the_last_hour_stays_whatever_its_size(cached):
    cached("environments/large", 0.01, 200_000)
    assert names(cache.prune(NOW).entries) == ["environments/large"]
    small = CacheEntry(CacheKind.SERVER, "postgres-1", 1, NOW - 2 * DAY)
    large = CacheEntry(CacheKind.ENVIRONMENT, "environments/a", 200_000, NOW)
    assert list(cache.superfluous([large, small], NOW)) == [small]


def test_clearing_removes_all_but_what_slipway_did_not_make(cached):
    folders = [cached(name, 0) for name in ("environments/abc", "postgres-1", "gate-1-2", "foreign")]
    assert cache.clear().entries == ()
    assert [folder.exists() for folder in folders] == [False, False, False, True]


def test_an_entry_that_cannot_be_removed_is_not_listed_as_removed(cached, monkeypatch):
    cached("postgres-1", 0)
    monkeypatch.setattr(Path, "rename", Mock(side_effect=PermissionError))
    left = cache.clear()
    assert (names(left.entries), left.removed) == (["postgres-1"], ())


def test_it_is_pruned_once_a_day(cached, monkeypatch):
    pruned = []
    monkeypatch.setattr(cache, "prune", lambda: pruned.append(1))
    cache.prune_daily()  # there is no cache yet
    cached("postgres-1", 0)
    for _ in range(2):
        cache.prune_daily()
    assert len(pruned) == 1
