"""Old records of a ledger: packed into blocks of a hundred deployments, and moved to another store.

A block is stored before its records are discarded, so a run that is killed in between loses nothing. Of each hundred the last intent stays
by itself, because the newest number is found by those.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from slipway.errors import RefusedError
from slipway.records.form import to_json
from slipway.records.ledger import LedgerBlock, Origin
from slipway.release.engine.ledger import HUNDRED, KINDS, ORIGIN, PREFIX, Ledger, Store, block_of
from slipway.release.engine.lock import LIFE_SECONDS

_MOST_BYTES = 3_000_000  # of a part of a block; ECR accepts manifests of 4 MiB [M]
_TOGETHER = 3  # the most hundreds that one run packs


async def pack(ledger: Ledger) -> None:
    """Pack the oldest hundreds whose records are stored one by one, except the newest two hundred deployments."""
    newest = (await ledger.contents()).newest
    last = range(HUNDRED, newest - 2 * HUNDRED + 1, HUNDRED)
    single = ledger.numbered(await ledger.store.get([ledger.name(number - 1, "intent") for number in last]))
    for number, _ in sorted(single)[:_TOGETHER]:
        await _pack(ledger, block_of(number))


async def _pack(ledger: Ledger, block: int) -> None:
    last = block * HUNDRED
    numbers = range(last - HUNDRED + 1, last + 1)
    texts = dict(await ledger.store.get([ledger.name(number, kind) for number in numbers for kind in KINDS]))
    if await _store(ledger, ledger.store, block, texts):
        await ledger.store.discard([each for each in texts if each != ledger.name(last, "intent")])


async def move(former: Store, own: Store, environment: str) -> None:
    """Copy an environment's ledger into a store of its own, in blocks; afterwards the former one is not read any more.

    Raises RefusedError while a deployment holds the former lock.
    """
    ledger = Ledger(former, environment)
    lock = await former.stored(ledger.lock_name)
    if lock and lock.age < LIFE_SECONDS:
        raise RefusedError(
            f"a deployment of {environment} is under way, so its ledger cannot be moved", "wait for its end"
        )
    records = ledger.numbered(await former.names())
    blocks: dict[int, list[str]] = {}
    for number, kind in sorted(records):
        blocks.setdefault(block_of(number), []).append(ledger.name(number, kind))
    for block, names in blocks.items():
        await _copy(ledger, own, block, names)
    origin = Origin(environment, max(records, default=(0, ""))[0])
    await own.put(f"{PREFIX}{environment}.{ORIGIN}", to_json(origin))


async def _copy(ledger: Ledger, own: Store, block: int, names: Sequence[str]) -> None:
    texts = dict(await ledger.store.get(names))
    await _store(ledger, own, block, texts)
    if (anchor := ledger.name(block * HUNDRED, "intent")) in texts:
        await own.put(anchor, texts[anchor])


async def _store(ledger: Ledger, store: Store, block: int, texts: Mapping[str, str]) -> bool:
    """Store records in parts of a block, each under the first free name; return False when there are too few names."""
    names = iter(ledger.block_names(block))
    for part in _parts(texts):
        text = to_json(LedgerBlock(ledger.environment, part), indent=None)
        while (name := next(names, None)) and not await store.put(name, text):
            pass
        if name is None:
            return False
    return True


def _parts(texts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Divide records into parts that ECR accepts, in their order."""
    part: dict[str, str] = {}
    size = 0
    for name, text in texts.items():
        more = len(json.dumps({name: text}))
        if part and size + more > _MOST_BYTES:
            yield part
            part, size = {}, 0
        part[name] = text
        size += more
    if part:
        yield part
