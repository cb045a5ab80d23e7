"""The targets by their names in the settings, with everything that slipway knows about each of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from slipway.records.checks import Check
from slipway.records.outcome import Verb
from slipway.release.aws.client import Aws
from slipway.release.aws.logs import Lines
from slipway.release.cloudformation import Part
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.target import Operation, Target, Time
from slipway.release.failures import PlatformWords
from slipway.release.permissions import Grants, Permission
from slipway.release.preflight.checking import Checker
from slipway.release.targets.app_runner import account as app_runner_account
from slipway.release.targets.app_runner import logs as app_runner_logs
from slipway.release.targets.app_runner import preflight as app_runner_preflight
from slipway.release.targets.app_runner import spec as app_runner_spec
from slipway.release.targets.app_runner import target as app_runner_target
from slipway.release.targets.ecs_express import account as express_account
from slipway.release.targets.ecs_express import evidence as express_evidence
from slipway.release.targets.ecs_express import logs as express_logs
from slipway.release.targets.ecs_express import preflight as express_preflight
from slipway.release.targets.ecs_express import spec as express_spec
from slipway.release.targets.ecs_express import target as express_target
from slipway.settings import Settings, TargetKind
from slipway.workload.workload import HealthCheck


@dataclass(frozen=True, kw_only=True)
class TargetDescription:
    """Everything that differs between targets.

    - api: the platform's service in boto3.
    - connect: makes the Target of an environment's service.
    - impossible: the commands that the platform does not support, each with the reason and the alternative.
    - spec: returns the desired service of an environment for an image's digest; raises SettingsError.
    - private_host: returns the host at which the environment's network reaches the service; None without a service. It
      raises RefusedError for a service that only the internet reaches.
    - health: returns the health check that the platform will use for an instance.
    - owned: checks whether slipway created an environment's service; None without a service.
    - checkers: the preflight's checks, by branch, in addition to those of image, secrets and account.
    - grants: the IAM actions of each permission.
    - parts: returns the resources that bootstrap creates in the account, for the names of roles and the ARN of the
      repository.
    - count: returns how many instances run, for people; empty when the platform does not report it.
    - words: the platform's log lines about a release that does not start.
    - log_since: returns the lines of the service and its platform since a time, by source, each in order of time.
    - log_of_operation: returns the lines about one operation and of the instances that it started, until its end.
    """

    api: str
    connect: Callable[[Settings, str, Aws, Time], Target]
    impossible: Mapping[Verb, str]
    spec: Callable[[Settings, str, str], ServiceSpec]
    private_host: Callable[[Settings, str, Aws], Awaitable[str | None]]
    health: Callable[[ServiceSpec], HealthCheck]
    owned: Callable[[Settings, str, Aws], Awaitable[Check | None]]
    checkers: Mapping[str, Checker]
    grants: Grants
    parts: Callable[[Settings, str, Mapping[str, str], str], list[Part]]
    count: Callable[[Aws, str], Awaitable[str]]
    words: PlatformWords
    log_since: Callable[[Aws, str, datetime], Awaitable[Lines]]
    log_of_operation: Callable[[Aws, Operation], Awaitable[Lines]]

    @property
    def impossible_names(self) -> frozenset[str]:
        return frozenset(verb.value for verb in self.impossible)


# A called service is always on ECS Express Mode, whatever its caller's target is.
_CALLING: Grants = {Permission.FIND_CALLED: express_account.FIND_CALLED}
TARGETS: Mapping[TargetKind, TargetDescription] = {
    TargetKind.APP_RUNNER: TargetDescription(
        api="apprunner",
        connect=app_runner_target.connect,
        impossible=app_runner_target.IMPOSSIBLE,
        spec=app_runner_spec.spec_of,
        private_host=app_runner_target.private_host,
        health=app_runner_spec.health_of,
        owned=app_runner_preflight.owned,
        checkers=app_runner_preflight.CHECKERS,
        grants={**app_runner_account.GRANTS, **_CALLING},
        parts=app_runner_account.parts,
        count=app_runner_target.count,
        words=app_runner_target.WORDS,
        log_since=app_runner_logs.since,
        log_of_operation=app_runner_logs.of_operation,
    ),
    TargetKind.ECS_EXPRESS: TargetDescription(
        api="ecs",
        connect=express_target.connect,
        impossible=express_target.IMPOSSIBLE,
        spec=express_spec.spec_of,
        private_host=express_target.private_host,
        health=express_spec.health_of,
        owned=express_preflight.owned,
        checkers=express_preflight.CHECKERS,
        grants={**express_account.GRANTS, **_CALLING},
        parts=express_account.parts,
        count=express_target.count,
        words=express_evidence.WORDS,
        log_since=express_logs.since,
        log_of_operation=express_logs.of_operation,
    ),
}


def target_of(settings: Settings, environment: str) -> TargetDescription:
    """Return the target of an environment. Raise SettingsError when there is no such environment."""
    return TARGETS[settings.environment(environment).target]
