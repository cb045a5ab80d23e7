"""Thousands of records: found with a few calls, and packed into blocks."""

from collections import Counter
from dataclasses import replace

import pytest

from slipway.records.form import to_json
from slipway.records.ledger import Intent, Release
from slipway.records.outcome import Status
from slipway.release.engine import archive
from slipway.release.engine.archive import pack
from slipway.release.engine.ledger import PREFIX, Contents, Ledger
from slipway.simulator.clock import VirtualClock
from tests.environment.environments import certificate
from tests.release.deployers import Kill, KilledError, Mortal
from tests.release.memory_store import MemoryStore, Shelf

INTENT = Intent(
    environment="staging", number=0, image="notes@sha256:1", wanted="w", fingerprint="f", holder="me", nonce="n"
)
RELEASE = Release(
    environment="staging", number=0, image="notes@sha256:1", status=Status.SUCCEEDED, live=None, operation=None, ended=1, seconds=2.0
)  # fmt: skip


class Counting(MemoryStore):
    """A store that counts calls as ECR needs them: a hundred names in one."""

    def __init__(self, shelf, mortal=None):
        super().__init__(shelf, mortal)
        self.calls = Counter()

    async def get(self, names):
        self.calls["get"] += -(-len(names) // 100)
        return await super().get(names)

    async def names(self):
        self.calls["names"] += 1
        return await super().names()


def deployed(shelf, first, last):
    ledger = Ledger(MemoryStore(shelf), "staging")
    for number in range(first, last + 1):
        for kind, record in (("intent", INTENT), ("accepted", INTENT), ("release", RELEASE)):
            shelf.texts[ledger.name(number, kind)] = (to_json(replace(record, number=number)), shelf.clock.now())


@pytest.fixture
def shelf():
    return Shelf(VirtualClock())


@pytest.mark.parametrize("newest", [0, 1, 20, 99, 100, 101, 999, 3000, 12345])
async def test_the_newest_number_is_found_with_a_few_calls(shelf, newest):
    deployed(shelf, max(1, newest - 200), newest)
    for anchor in range(100, newest, 100):
        deployed(shelf, anchor, anchor)
    store = Counting(shelf)
    ledger = Ledger(store, "staging")
    contents = await ledger.contents()
    assert contents.newest == newest
    assert store.calls["names"] == 0
    assert store.calls["get"] <= 5, store.calls
    history = await ledger.history(100)
    assert [release.number for release in history.releases] == list(range(newest, max(newest - 100, 0), -1))


@pytest.mark.parametrize(("newest", "calls"), [(0, 1), (38, 1), (39, 2), (79, 2), (80, 3), (150, 3)])
async def test_a_ledger_of_up_to_38_deployments_tells_with_one_call_whether_the_newest_has_ended(shelf, newest, calls):
    deployed(shelf, 1, newest)
    store = Counting(shelf)
    assert await Ledger(store, "staging").is_settled()
    assert store.calls["get"] == calls
    if newest:
        del shelf.texts[Ledger(store, "staging").name(newest, "release")]
        assert not await Ledger(store, "staging").is_settled()


async def test_a_ledger_without_records_has_none(shelf):
    ledger = Ledger(Counting(shelf), "staging")
    assert await ledger.contents() == Contents(frozenset(), frozenset(), frozenset())
    assert (await ledger.history(20)).releases == await ledger.newest_intents() == ()


@pytest.mark.slow
async def test_old_records_are_packed_and_read_as_before(shelf):
    deployed(shelf, 1, 420)
    store = Counting(shelf)
    proof = certificate("aaa", "bbb")
    await Ledger(store, "staging").certify(7, proof)
    before = await Ledger(store, "staging").releases(range(1, 421))
    await pack(Ledger(store, "staging"))
    assert len(shelf.texts) == 220 * 3 + 2 * 2  # two blocks, and the last intent of each
    ledger = Ledger(store, "staging")
    assert (await ledger.contents()).newest == 420
    assert await ledger.releases(range(1, 421)) == before
    assert await ledger.certificates(every=False) == ()
    assert await ledger.certificates(every=True) == (proof,)
    left = dict(shelf.texts)
    await pack(Ledger(store, "staging"))
    assert shelf.texts == left


@pytest.mark.slow
async def test_packing_that_is_killed_anywhere_loses_nothing(shelf):
    deployed(shelf, 1, 302)
    before = await Ledger(MemoryStore(shelf), "staging").releases(range(90, 110))
    whole = Mortal(None)
    await pack(Ledger(MemoryStore(Shelf(shelf.clock, dict(shelf.texts)), whole), "staging"))
    for index in range(len(whole.operations)):
        texts = Shelf(shelf.clock, dict(shelf.texts))
        with pytest.raises(KilledError):
            await pack(Ledger(MemoryStore(texts, Mortal(Kill(index, done=bool(index % 2)))), "staging"))
        ledger = Ledger(MemoryStore(texts), "staging")
        await pack(ledger)
        assert await ledger.releases(range(90, 110)) == before, index
        assert len(texts.texts) == 202 * 3 + 2


async def test_records_that_are_too_large_for_one_block_are_stored_in_parts(shelf, monkeypatch):
    """Three such blocks were tried again by each deployment, so no later one was packed."""
    deployed(shelf, 1, 100)
    for anchor in (200, 300):
        deployed(shelf, anchor, anchor)
    monkeypatch.setattr(archive, "_MOST_BYTES", sum(len(text) for text, _ in shelf.texts.values()) // 3)
    before = await Ledger(MemoryStore(shelf), "staging").releases(range(1, 101))
    await pack(Ledger(MemoryStore(shelf), "staging"))
    assert sum(".block.1" in name for name in shelf.texts) in (4, 5)
    assert max(len(text) for text, _ in shelf.texts.values()) < archive._MOST_BYTES * 1.1
    assert await Ledger(MemoryStore(shelf), "staging").releases(range(1, 101)) == before
    assert f"{PREFIX}staging.99.release" not in shelf.texts


async def test_records_that_need_more_parts_than_a_block_has_are_not_discarded(shelf, monkeypatch):
    deployed(shelf, 1, 100)
    for anchor in (200, 300):
        deployed(shelf, anchor, anchor)
    monkeypatch.setattr(archive, "_MOST_BYTES", 1000)
    await pack(Ledger(MemoryStore(shelf), "staging"))
    assert f"{PREFIX}staging.99.release" in shelf.texts
