"""Everything that slipway knows of a target, as one record."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from slipway.records.preflight import Check
from slipway.release.aws.client import Aws
from slipway.release.cloudformation import Part
from slipway.release.diagnosis.rules import PlatformWords
from slipway.release.engine.spec import ServiceSpec
from slipway.release.engine.target import Target, Time
from slipway.release.preflight.preflight import Look
from slipway.release.rights import Grants
from slipway.settings import Settings
from slipway.workload.workload import HealthCheck


@dataclass(frozen=True, kw_only=True)
class TargetDescription:
    """Everything that differs between targets.

    - connect: makes the Target of one service, by its name.
    - spec: the desired service of an environment, by the digest of an image; raises SettingsError.
    - health: how the platform will check an instance.
    - owned: whether slipway made the service of that name for an environment; None when there is none.
    - looks: the checks of a preflight besides image, secrets and account, by branch.
    - grants: the IAM actions of each right.
    - parts: the resources that bootstrap makes in the account, from the names of roles and the ARN of the repository.
    - words: the lines that the platform writes when a release does not start.
    """

    connect: Callable[[Aws, str, Time], Target]
    spec: Callable[[Settings, str, str], ServiceSpec]
    health: Callable[[ServiceSpec], HealthCheck]
    owned: Callable[[Aws, str, str], Awaitable[Check | None]]
    looks: Mapping[str, Look]
    grants: Grants
    parts: Callable[[Settings, str, Mapping[str, str], str], list[Part]]
    words: PlatformWords
