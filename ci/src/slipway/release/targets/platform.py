"""A place where services run, as slipway knows it: one record per target."""

from collections.abc import Callable
from dataclasses import dataclass

from slipway.release.aws.client import Aws
from slipway.release.engine.engine import Time
from slipway.release.engine.target import Target
from slipway.release.rights import Grants


@dataclass(frozen=True)
class Platform:
    """All that differs between targets. `connect` makes the Target of one service, by its name."""

    connect: Callable[[Aws, str, Time], Target]
    grants: Grants
