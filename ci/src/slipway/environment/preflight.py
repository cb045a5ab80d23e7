"""The preflight: check everything before the platform is changed, and start the digest under the platform's health check."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, Protocol

import anyio
import anyio.to_thread

from slipway.environment.migrate import backend_of, migrate
from slipway.errors import SlipwayError
from slipway.finder.alembic import alembic
from slipway.finder.tree import Tree, tree_at
from slipway.local.prove import server_binaries
from slipway.postgres.server import running
from slipway.records.checks import Check, Preflight, PreflightResult
from slipway.records.migration import Migration, MigrationFailedError
from slipway.records.outcome import Diagnosis
from slipway.release.aws.client import Aws
from slipway.release.diagnosis import DeploymentLogs, diagnose
from slipway.release.engine.plan import ServiceSpec
from slipway.release.failures import PlatformWords
from slipway.release.preflight import checking, quota
from slipway.release.preflight.checks import Checks, no, not_covered, ok
from slipway.release.targets.supported import target_of
from slipway.settings import Settings
from slipway.workload.load import busy, longer
from slipway.workload.process import HostBackend, NoTreeError
from slipway.workload.workload import Backend, HealthCheck, HealthResult, LaunchSpec, Workload, ask

_MOST_SECONDS = 60.0  # on a free machine
_POLL_SECONDS = 0.1
_FINAL_ANSWERS, _FINAL_SECONDS = 5, 3.0  # answers in a row, over this time, that count as final
_ERROR_SECONDS = 15.0  # for answers of 500, which a service may give while it warms up
_STAND_IN = "stand-in"
# Rules about a server that does not answer. This machine has no security group that could block it.
_SERVERS: Final = ("unknown-host", "unreachable")
_USUAL_POSTGRES: Final = re.compile(r"(?:localhost|127\.0\.0\.1|::1)\W*(?:port )?5432\b")
_START_SERVER: Final = (
    "start it on this machine, and name it in variables of [tool.slipway.migrations]; slipway starts only Postgres, "
    'whose address the variables with the value "{url}" get'
)
_ADDRESS = not_covered("address", "whether it listens beyond 127.0.0.1: a process here has no network of its own")


class StartConditions(Protocol):
    """The health check of a started release, and the platform's words for an unhealthy one. A TargetDescription has both."""

    @property
    def words(self) -> PlatformWords: ...
    @property
    def health(self) -> Callable[[ServiceSpec], HealthCheck]: ...


async def preflight(
    aws: Aws,
    spec: ServiceSpec,
    settings: Settings,
    backend: HostBackend | None = None,
    live: Mapping[str, str] | None = None,
) -> Preflight:
    """Check everything, and start the release when this machine can run it.

    Raise SlipwayError when AWS cannot be reached.
    - backend: passed by a rehearsal.
    - live: the fields of the live service. Remedies name the fields that the deployment changes.
    """
    target = target_of(settings, spec.environment)
    boot = partial(_on_this_machine, aws, spec, settings, backend)
    # a stage of the rehearsal migrates by itself
    task = {} if backend else checking.migration_checkers(settings, spec.environment)
    report = await checking.preflight(aws, spec, {**target.checkers, **quota.CHECKERS, **task}, boot)
    report = checking.naming_changes(report, spec, live or {})
    return report if settings.environment(spec.environment).migration else checking.unmigrated(report)


async def _on_this_machine(aws: Aws, spec: ServiceSpec, settings: Settings, backend: HostBackend | None) -> Checks:
    name = spec.image.repository.partition("/")[2]
    async with AsyncExitStack() as stack:
        try:
            backend = backend or await backend_of(aws, name)
            release = await stack.enter_async_context(backend.unpacked(name, spec.image.digest))
            tree = tree_at(release.folder)
            target = target_of(settings, spec.environment)
            if not _migrates(settings, spec.environment, tree):
                return (*await booted(None, backend, spec, {}, target), _ADDRESS)
            found = await anyio.to_thread.run_sync(server_binaries, tree, settings.migrations)
            server = await stack.enter_async_context(running(found))
        except NoTreeError:
            return (
                not_covered(
                    "release", "it was not started: it is a container image, and this machine runs no containers"
                ),
            )
        except SlipwayError as error:
            return (not_covered("release", f"it cannot be started here: {error.what}"),)
        migrated = migrate(release, settings.migrations, server.url)
        database = settings.migrations.database_variables(server.url)
        unset = sorted(settings.migrations.named_variables - {*spec.secrets, *spec.variables})
        own = {name: value for name, value in database.items() if name not in unset}
        checks = await booted(migrated, backend, spec, own, target)
    return (*checks, *_unset(unset), _ADDRESS)


def _migrates(settings: Settings, environment: str, tree: Tree) -> bool:
    """Return whether the release has a history, or the environment a database. Otherwise the release may lack alembic."""
    own, migrations = settings.environment(environment), settings.migrations
    has_database = own.database is not None or migrations.database_variable in {**own.variables, **own.secrets}
    return has_database or bool(migrations.scripts or migrations.app) or any(alembic(tree))


async def booted(
    migrated: Awaitable[Migration] | None,
    backend: Backend,
    spec: ServiceSpec,
    database: Mapping[str, str],
    platform: StartConditions,
) -> Checks:
    """Migrate an empty database to the release's head, if there is a history.

    Then start the release with the `database` variables.
    """
    if migrated is None:
        return (ok("migrations", "it has none, and no database"), await tried(backend, spec, database, platform))
    try:
        migration = await migrated
    except SlipwayError as error:
        remedy = "correct it, and run the command again" if isinstance(error, MigrationFailedError) else error.next_step
        return (no("migrations", f"on an empty database of this machine {error.what}", remedy),)
    heads = ", ".join(head[:12] for head in migration.after)
    return (
        ok("migrations", f"an empty database is at {heads or 'no revision'}"),
        *_replaced(spec, database),
        await tried(backend, spec, database, platform),
    )


def _replaced(spec: ServiceSpec, database: Mapping[str, str]) -> Checks:
    """Return the settings whose values were replaced here, because they would name another database."""
    names = sorted(name for name in database if spec.variables.get(name, database[name]) != database[name])
    why = "were replaced by those of the empty database here, as [tool.slipway.migrations] says; a wrong value shows on the platform only"
    return (not_covered("variables", f"the values of {', '.join(names)} {why}"),) if names else ()


def _unset(names: Sequence[str]) -> Checks:
    """Return the variables that the gate sets and a deployment to the environment does not."""
    what = "only [tool.slipway.migrations] sets"
    why = "the release is deployed, and was started here, without"
    return (not_covered("variables", f"{what} {', '.join(names)}: {why}"),) if names else ()


async def tried(backend: Backend, spec: ServiceSpec, database: Mapping[str, str], platform: StartConditions) -> Check:
    """Start the release with stand-ins for its secrets, and check its health as the platform does."""
    variables = dict.fromkeys(spec.secrets, _STAND_IN) | dict(spec.variables) | dict(database)
    variables["PORT"] = str(spec.port)  # platforms set this variable, too
    on_line: list[str] = []
    launch = LaunchSpec(
        repository=spec.image.repository.partition("/")[2],
        digest=spec.image.digest,
        port=spec.port,
        variables=variables,
    )
    check = platform.health(spec)
    limit = longer(_MOST_SECONDS)
    try:
        async with backend.start(launch, on_line.append) as workload:
            began = time.monotonic()
            ended, answer = await _until_healthy(workload, check, platform.words, limit)
            # Words of a release that is being stopped are no cause; those of one that ended may still arrive.
            lines = [*on_line] if workload.exit_code is None else on_line
    except SlipwayError as error:
        return no("release", f"the release does not start: {error.what}", error.next_step)
    if ended is None:
        return ok("release", f"{backend.how} of it became healthy after {time.monotonic() - began:.1f} s")
    if answer.detail.isdecimal():
        lines.append(f"GET {check.path} -> {answer.detail}")
    why = diagnose(DeploymentLogs((ended,), tuple(lines)), spec, platform.words)
    failure, verdict = "the release does not become healthy", PreflightResult.REFUSED
    if ended == platform.words.unhealthy and not answer.final:
        failure = f"the release was not healthy after {time.monotonic() - began:.0f} s here{busy()}"
        if _seconds_to_start(check) > limit:
            failure, verdict = f"{failure}, and the platform waits longer", PreflightResult.NOT_COVERED
    return Check(
        subject="release",
        verdict=verdict,
        found=f"{failure}: {why.cause}",
        remedy=_remedy(why, database),
        lines=why.lines,
    )


def _remedy(why: Diagnosis, database: Mapping[str, str]) -> str:
    """Return the remedy here, where slipway starts a Postgres whose port is never the usual one."""
    if why.rule not in _SERVERS:
        return why.remedy
    if not database or not _USUAL_POSTGRES.search(why.cause):
        return _START_SERVER
    names = " and ".join(sorted(database))
    return (
        f"the service connected to localhost:5432, and nothing seems to read {names}, with the address of the Postgres "
        f"here: let the service read {names}, or name the variable that it reads in database-variable of [tool.slipway.migrations]"
    )


def _seconds_to_start(check: HealthCheck) -> float:
    return check.interval * check.unhealthy_threshold


async def _until_healthy(
    workload: Workload, check: HealthCheck, words: PlatformWords, limit: float
) -> tuple[str | None, HealthResult]:
    """Return None once healthy, otherwise the line that the platform would log; in both cases with the last answer.

    Before the first healthy answer, poll more often than the platform.
    """
    deadline = time.monotonic() + min(longer(_seconds_to_start(check)), limit)
    answer, healthy, final = HealthResult(False, ""), 0, list[float]()  # in a row: a number, and times
    while healthy or time.monotonic() < deadline:
        enough = _ERROR_SECONDS if answer.detail == "500" else _FINAL_SECONDS
        if len(final) >= _FINAL_ANSWERS and time.monotonic() - final[0] >= enough:
            break
        if workload.exit_code is not None:
            return f"{words.exited}{workload.exit_code}", answer
        answer = await ask(workload.address, check)
        healthy = healthy + 1 if answer.healthy else 0
        final = [*final, time.monotonic()] if answer.final else []
        if healthy >= check.healthy_threshold:
            return None, answer
        await anyio.sleep(check.interval if healthy else _POLL_SECONDS)
    return words.unhealthy, answer
