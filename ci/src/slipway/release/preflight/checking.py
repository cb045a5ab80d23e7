"""A preflight: all reading checks at once, then the start of the release, which takes longest."""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from functools import partial

import anyio

from slipway.errors import RefusedError, within
from slipway.records.checks import Branch, Check, Preflight, PreflightResult
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.release.engine.plan import NOT_MIGRATED, NOT_MIGRATED_REMEDY, ServiceSpec, naming_values
from slipway.release.preflight import image
from slipway.release.preflight.checks import Checks, checks_of_account, covered, not_covered, versions_in
from slipway.release.preflight.named import checks_of_log, checks_of_secrets
from slipway.settings import RunnerKind, Settings
from slipway.untrusted import one_line

Boot = Callable[[], Awaitable[Checks]]
Checker = Callable[[Aws, ServiceSpec], Awaitable[Checks]]

NETWORK, QUOTAS = "network", "quotas"
NOT_COVERED = "not covered: "  # begins the line about a fact that no check observes
_STARTED = ("migrations", "release")  # the subjects of checks that run the release's code
_CHECKERS: Mapping[str, Checker] = {
    "account": checks_of_account,
    "image": image.checks_of_image,
    "secrets": checks_of_secrets,
}


async def preflight(
    aws: Aws, spec: ServiceSpec, checkers: Mapping[str, Checker], boot: Boot | None = None
) -> Preflight:
    """Check everything that a deployment of `spec` needs. Change nothing.

    - checkers: the target's own checks.
    - boot: starts the release, unless another check has refused it already.
    Raise SlipwayError when no call to AWS is possible, for example without credentials or with a wrong clock.
    """
    began = time.monotonic()
    branches = [
        Branch(part, checks)
        for part, checks in (await _checks_by_part(aws, spec, {**_CHECKERS, **checkers})).items()
        if checks
    ]
    seen = Preflight(
        environment=spec.environment, service=spec.name, image=str(spec.image), seconds=0, branches=tuple(branches)
    )
    branches += [Branch("start", await _booted(boot, seen)), Branch("beyond", _beyond(spec, checkers))]
    return replace(seen, seconds=round(time.monotonic() - began, 3), branches=tuple(branches))


def migration_checkers(settings: Settings, environment: str) -> Mapping[str, Checker]:
    """Return the checks of the ECS task that migrates; empty if the settings name none."""
    migration = settings.environment(environment).migration
    if migration is None or migration.runner is not RunnerKind.ECS_TASK:
        return {}
    return {"migration": partial(checks_of_log, settings.migration_log(environment))}


def naming_changes(result: Preflight, spec: ServiceSpec, live: Mapping[str, str]) -> Preflight:
    """Add the changed variables and secrets to the remedy of a release that does not start.

    `live` are the live service's fields.
    """
    wanted = spec.fields()
    named = naming_values(name for name in {**live, **wanted} if live and live.get(name) != wanted.get(name))

    def with_changes(check: Check) -> Check:
        is_about = check.verdict is PreflightResult.REFUSED and check.subject in _STARTED
        return replace(check, remedy=check.remedy + named) if is_about else check

    branches = (Branch(branch.part, tuple(map(with_changes, branch.checks))) for branch in result.branches)
    return replace(result, branches=tuple(branches))


def refuse(result: Preflight) -> None:
    """Raise RefusedError for the first refusal, with the number of the others."""
    if not result.refusals:
        return
    first, *others = result.refusals
    environment = one_line(result.environment)
    command = f"slipway preflight --environment {environment} --image {one_line(result.image)}"
    more = f" (and {len(others)} more: `{command}` lists them)" if others else ""
    unchanged = f"{environment} is unchanged"
    raise RefusedError(f"{one_line(first.found)}{more}; {unchanged}", one_line(first.remedy) or "see the lines above")


def events(result: Preflight) -> tuple[Event, ...]:
    """Return the events for a run: the log lines behind refusals, and the facts that were not covered."""
    lines = [Event(f"log: {one_line(line)}") for check in result.refusals for line in check.lines]
    return (
        *lines,
        *(Event(f"{NOT_COVERED}{one_line(f'{check.subject}: {check.found}')}") for check in result.not_covered),
    )


async def _checks_by_part(aws: Aws, spec: ServiceSpec, checkers: Mapping[str, Checker]) -> dict[str, Checks]:
    checks: dict[str, Checks] = dict.fromkeys(checkers, ())

    async def one(part: str, checker: Checker) -> None:
        checks[part] = await covered(part, checker(aws, spec))

    try:
        async with anyio.create_task_group() as tasks:
            for part, checker in checkers.items():
                tasks.start_soon(one, part, checker)
    except BaseExceptionGroup as group:
        raise within(group) or group.exceptions[0] from group
    return checks


async def _booted(boot: Boot | None, seen: Preflight) -> Checks:
    if seen.refusals:
        return (not_covered("release", "it was not started, because of the refusals above"),)
    if boot is None:
        return (not_covered("release", "it was not started on this machine"),)
    return await boot()


def versions(result: Preflight) -> dict[str, str]:
    """Return the current version of each secret that was read, by variable."""
    return versions_in(check for branch in result.branches for check in branch.checks)


def _beyond(spec: ServiceSpec, checkers: Collection[str]) -> Checks:
    """Return the facts that cannot be checked from outside the platform."""
    checks = [
        not_covered("permissions", "the permissions of the roles: only their trust policies were read"),
        not_covered("size", f"whether {spec.memory} MB are enough: a start here is not limited to them"),
    ]
    if QUOTAS not in checkers:
        checks.append(
            not_covered(QUOTAS, "the account's quotas of services and instances: only creating one shows them")
        )
    if spec.secrets:
        checks.append(not_covered("values", "the values of secrets: they are never read"))
    return tuple(checks)


def going_back(found: Preflight) -> Preflight:
    """Return a preflight with remedies for a rollback."""
    branches = (Branch(branch.part, tuple(map(image.going_back, branch.checks))) for branch in found.branches)
    return replace(found, branches=tuple(branches))


def unmigrated(found: Preflight) -> Preflight:
    """Add a note to the preflight of a first deployment: slipway does not migrate its database."""
    if any(branch.part == "service" for branch in found.branches):
        return found
    check = not_covered("database", f"{NOT_MIGRATED}: {NOT_MIGRATED_REMEDY}")
    return replace(found, branches=(*found.branches, Branch("database", (check,))))
