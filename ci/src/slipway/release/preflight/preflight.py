"""Every look at once, then the one that takes longest: to start the very release."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio

from slipway.errors import RefusedError, within
from slipway.records.preflight import Branch, Check, Preflight
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.release.engine.plan import NOT_MIGRATED, NOT_MIGRATED_REMEDY
from slipway.release.engine.spec import ServiceSpec
from slipway.release.preflight import account, image, owner, roles, secrets, shared
from slipway.release.preflight.answers import Checks, covered, not_covered
from slipway.untrusted import one_line

Boot = Callable[[], Awaitable[Checks]]

_LOOKS: tuple[tuple[str, Callable[[Aws, ServiceSpec], Awaitable[Checks]]], ...] = (
    ("account", account.look),
    ("image", image.look),
    ("secrets", secrets.look),
    ("roles", roles.look),
    ("network and scaling", shared.look),
    ("service", owner.look),
)


async def preflight(aws: Aws, spec: ServiceSpec, boot: Boot | None = None) -> Preflight:
    """Look at all that a deployment of `spec` needs; nothing is changed. `boot` starts the release, unless something is refused already.

    Raises SlipwayError when AWS answers nothing at all: no credentials, a clock that is wrong.
    """
    began = time.monotonic()
    branches = [Branch(part, checks) for part, checks in (await _looked(aws, spec)).items() if checks]
    seen = Preflight(
        environment=spec.environment, service=spec.name, image=str(spec.image), seconds=0, branches=tuple(branches)
    )
    branches += [Branch("start", await _booted(boot, seen)), Branch("beyond", _beyond(spec))]
    seconds = round(time.monotonic() - began, 3)
    return Preflight(
        environment=spec.environment,
        service=spec.name,
        image=str(spec.image),
        seconds=seconds,
        branches=tuple(branches),
    )


def refuse(found: Preflight) -> None:
    """Raises RefusedError for the first refusal, with how many more there are."""
    if not found.refusals:
        return
    first, *others = found.refusals
    more = f" (and {len(others)} more: `slipway preflight` lists them)" if others else ""
    raise RefusedError(f"{one_line(first.found)}{more}", one_line(first.remedy) or "see the lines above")


def events(found: Preflight) -> tuple[Event, ...]:
    """What a run tells of it: the lines of logs that refusals rest on, and what was not covered."""
    lines = [Event(f"log: {one_line(line)}") for check in found.refusals for line in check.lines]
    return (*lines, *(Event(f"not covered: {_line(check)}") for check in found.not_covered))


def _line(check: Check) -> str:
    return one_line(f"{check.subject}: {check.found}")


async def _looked(aws: Aws, spec: ServiceSpec) -> dict[str, Checks]:
    found: dict[str, Checks] = {part: () for part, _ in _LOOKS}

    async def one(part: str, look: Callable[[Aws, ServiceSpec], Awaitable[Checks]]) -> None:
        found[part] = await covered(part, look(aws, spec))

    try:
        async with anyio.create_task_group() as tasks:
            for part, look in _LOOKS:
                tasks.start_soon(one, part, look)
    except BaseExceptionGroup as group:
        raise _first(group) from group
    return found


def _first(group: BaseException) -> BaseException:
    """Of looks that fail together one is told, and rather one that a person can read."""
    if known := within(group):
        return known
    return _first(group.exceptions[0]) if isinstance(group, BaseExceptionGroup) else group


async def _booted(boot: Boot | None, seen: Preflight) -> Checks:
    if seen.refusals:
        return (not_covered("release", "it was not started, for what is refused above comes first"),)
    if boot is None:
        return (not_covered("release", "nothing was started here"),)
    return await boot()


def _beyond(spec: ServiceSpec) -> Checks:
    """What nobody outside of the platform can look at."""
    checks = [
        not_covered("permissions", "what the roles may do: only who may take them on was read"),
        not_covered("quotas", "whether the account may have one more service or instance: only creating it tells"),
        not_covered("size", f"whether {spec.memory} MB are enough: nothing here has an instance's memory"),
    ]
    if spec.secrets:
        checks.append(not_covered("values", "the values of secrets: they are never read"))
    if spec.vpc_connector:
        checks.append(not_covered("network", "security groups and routes behind the VPC connector: nothing was sent"))
    return tuple(checks)


def unmigrated(found: Preflight) -> Preflight:
    """Add to the preflight of a first deployment that slipway does not migrate its database."""
    if any(branch.part == "service" for branch in found.branches):
        return found
    check = not_covered("database", f"{NOT_MIGRATED}: {NOT_MIGRATED_REMEDY}")
    return replace(found, branches=(*found.branches, Branch("database", (check,))))
