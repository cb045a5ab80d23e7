"""The end of a deployment without a ledger: it is recorded at once, or saved in a file and recorded later."""

from collections.abc import Mapping
from typing import Final

import anyio

from slipway.environment.opened import OpenEnvironment
from slipway.errors import SlipwayError
from slipway.records.form import to_json
from slipway.records.ledger import LedgerBlock
from slipway.records.progress import Event, Tell
from slipway.release.engine.late import LateStore, record
from slipway.release.engine.ledger import Ledger

_PATIENCE_SECONDS: Final = 30.0


async def record_late(environment: OpenEnvironment, tell: Tell) -> str:
    """Record the deployments that the ledger has refused so far.

    If it still refuses, write them to a file in this folder.
    Return the task that is left for a person, otherwise an empty text.
    """
    store = environment.ledger.store
    assert isinstance(store, LateStore)
    kept = {name: text for name, text in store.kept.items() if environment.ledger.numbered([name])}
    if not kept:
        return ""
    why = "it does not answer"
    with anyio.move_on_after(_PATIENCE_SECONDS):
        try:
            tell(Event(f"recorded afterwards, as {await record_all(environment, kept)}"))
        except SlipwayError as error:
            why = error.what
        else:
            return ""
    file = file_of(environment)
    await file.write_text(to_json(LedgerBlock(environment.name, kept)), encoding="utf-8")
    command = f"slipway history --environment {environment.name} --record {file}"
    return f"the ledger lacks this deployment ({why}), so `slipway status` attributes what is live to an older one; run `{command}` when it works again"


def file_of(environment: OpenEnvironment) -> anyio.Path:
    """Return the path of the file, in this folder, with deployments that the ledger lacks."""
    return anyio.Path(f"slipway-ledger-{environment.service}.json")


async def record_all(environment: OpenEnvironment, records: Mapping[str, str]) -> str:
    """Record deployments under the next free numbers, and return these. Raise SlipwayError when the ledger refuses."""
    numbers = await record(Ledger(environment.store, environment.name), records)
    return f"deployment {' and '.join(map(str, numbers))}"
