"""Old records of a ledger, packed into blocks of a hundred deployments.

A block is stored before its single records are discarded, so a run that is killed in between loses nothing. The last
intent of each hundred remains a record of its own, because the newest number is searched by these.
"""

import json
from collections.abc import Iterator, Mapping

from slipway.records.form import to_json
from slipway.records.ledger import LedgerBlock
from slipway.release.engine.ledger import HUNDRED, KINDS, Ledger, block_of

_MOST_BYTES = 3_000_000  # of one part of a block; ECR accepts manifests of 4 MiB [M]
_TOGETHER = 3  # how many hundreds one run packs at most


async def pack(ledger: Ledger) -> None:
    """Pack the oldest hundreds that are still stored as single records.

    Leave the newest two hundred deployments unpacked.
    """
    newest = (await ledger.contents()).newest
    last = range(HUNDRED, newest - 2 * HUNDRED + 1, HUNDRED)
    single = ledger.numbered(await ledger.store.get([ledger.name(number - 1, "intent") for number in last]))
    for number, _ in sorted(single)[:_TOGETHER]:
        await _pack(ledger, block_of(number))


async def _pack(ledger: Ledger, block: int) -> None:
    last = block * HUNDRED
    numbers = range(last - HUNDRED + 1, last + 1)
    texts = dict(await ledger.store.get([ledger.name(number, kind) for number in numbers for kind in KINDS]))
    if await _store(ledger, block, texts):
        await ledger.store.discard([each for each in texts if each != ledger.name(last, "intent")])


async def _store(ledger: Ledger, block: int, texts: Mapping[str, str]) -> bool:
    """Store records as parts of a block, each under the first free name. Return False when there are not enough names."""
    names = iter(ledger.block_names(block))
    for part in _parts(texts):
        text = to_json(LedgerBlock(ledger.environment, part), indent=None)
        while (name := next(names, None)) and not await ledger.store.put(name, text):
            pass
        if name is None:
            return False
    return True


def _parts(texts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Divide records, in their order, into parts of a size that ECR accepts."""
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
