"""The targets, by the user's choice in the settings, and everything that slipway knows of each."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from slipway.records.checks import Check
from slipway.release.aws.client import Aws
from slipway.release.aws.logs import Lines
from slipway.release.cloudformation import Part
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.target import Operation, Target, Time
from slipway.release.failures import PlatformWords
from slipway.release.preflight.preflight import Look
from slipway.release.rights import Grants
from slipway.release.targets.app_runner import logs
from slipway.release.targets.app_runner.account import GRANTS, parts
from slipway.release.targets.app_runner.preflight import LOOKS, owned
from slipway.release.targets.app_runner.spec import health_of, spec_of
from slipway.release.targets.app_runner.target import WORDS, AppRunnerTarget
from slipway.settings import Settings, SettingsError, TargetKind
from slipway.workload.workload import HealthCheck


@dataclass(frozen=True, kw_only=True)
class TargetDescription:
    """Everything that differs between targets.

    - api: the platform's service, as boto3 calls it.
    - connect: makes the Target of one service, by its name.
    - spec: the desired service of an environment, by the digest of an image; raises SettingsError.
    - health: how the platform will check an instance.
    - owned: whether slipway made the service of that name for an environment; None when there is none.
    - looks: the checks of a preflight besides image, secrets and account, by branch.
    - grants: the IAM actions of each right.
    - parts: the resources that bootstrap makes in the account, from the names of roles and the ARN of the repository.
    - words: the lines that the platform writes when a release does not start.
    - log_since: what the service of an ARN and its platform have written since a time, by source, each in order of time.
    - log_of_operation: the same about one operation and the instances that it started, until it ended.
    """

    api: str
    connect: Callable[[Aws, str, Time], Target]
    spec: Callable[[Settings, str, str], ServiceSpec]
    health: Callable[[ServiceSpec], HealthCheck]
    owned: Callable[[Aws, str, str], Awaitable[Check | None]]
    looks: Mapping[str, Look]
    grants: Grants
    parts: Callable[[Settings, str, Mapping[str, str], str], list[Part]]
    words: PlatformWords
    log_since: Callable[[Aws, str, datetime], Awaitable[Lines]]
    log_of_operation: Callable[[Aws, Operation], Awaitable[Lines]]


APP_RUNNER = TargetDescription(
    api="apprunner",
    connect=AppRunnerTarget,
    spec=spec_of,
    health=health_of,
    owned=owned,
    looks=LOOKS,
    grants=GRANTS,
    parts=parts,
    words=WORDS,
    log_since=logs.since,
    log_of_operation=logs.of_operation,
)


TARGETS: Mapping[TargetKind, TargetDescription] = {TargetKind.APP_RUNNER: APP_RUNNER}


def target_of(settings: Settings, environment: str) -> TargetDescription:
    """Return the target of an environment; raises SettingsError for one that is only planned."""
    kind = settings.environment(environment).target
    if kind not in TARGETS:
        known = ", ".join(each.value for each in TARGETS)
        raise SettingsError(f"the target {kind.value} of {environment} is not supported yet", f"choose one of {known}")
    return TARGETS[kind]
