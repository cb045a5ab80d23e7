"""The whole suite against one account: three services, a repository, an auto scaling configuration; and nothing of it is left, however it ends."""

import secrets
from collections.abc import Callable

import anyio

from slipway.conformance import leftovers, registry, scaling
from slipway.conformance.account import PREFIX, Account, masked
from slipway.conformance.findings import Findings
from slipway.conformance.service import Image, Service
from slipway.conformance.walker import Walker
from slipway.conformance.walks import WALKS
from slipway.records.conformance import AWS, Conformance

Tell = Callable[[str], None]
_SETTLES = 5.0  # what was asked for last, and whose answer nobody heard, is listed by then


def new_run() -> str:
    """What tells a run's things from those of every other."""
    return secrets.token_hex(3)


async def conform(account: Account, image: Image, tell: Tell, run: str | None = None) -> Conformance:
    """Ask everything, delete everything, and say what came of it. A cancellation waits until what was created is deleted."""
    run, findings = run or new_run(), Findings()
    left: tuple[str, ...] = ()
    began = account.time.now()
    tell(f"everything that is created is named {PREFIX}{run}…")
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(registry.look, account, f"{PREFIX}{run}", run, findings)
            shared = await scaling.look(account, f"{PREFIX}{run}", run, findings)
            for walk in WALKS:
                service = Service(account, image, run, walk.name)
                tasks.start_soon(Walker(service, walk, findings, tell, shared).go)
    finally:
        with anyio.CancelScope(shield=True):
            left = await _clean(account, run, tell)
    return Conformance(
        against="a stand-in" if account.astray else AWS,
        region=account.region,
        day=began.date().isoformat(),
        botocore=account.botocore,
        image=image.identifier if image.is_public else "an image of a private repository",
        seconds=round((account.time.now() - began).total_seconds(), 1),
        findings=findings.all(),
        left=tuple(masked(line) for line in left),
    )


async def _clean(account: Account, run: str, tell: Tell) -> tuple[str, ...]:
    tell("deleting what was created; a service can be deleted only when nothing is in progress with it")
    try:
        await account.time.sleep(_SETTLES)
        return await leftovers.clean(account, run, tell)
    except BaseException:  # interrupted again
        tell(f"not all of {PREFIX}{run}… is deleted: --clean-up finds what is left")
        raise
