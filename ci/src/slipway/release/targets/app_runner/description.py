"""App Runner as a target, put together."""

from slipway.release.targets.app_runner.bootstrap import parts
from slipway.release.targets.app_runner.permissions import GRANTS
from slipway.release.targets.app_runner.preflight import LOOKS, owned
from slipway.release.targets.app_runner.spec import health_of, spec_of
from slipway.release.targets.app_runner.target import WORDS, AppRunnerTarget
from slipway.release.targets.description import TargetDescription

APP_RUNNER = TargetDescription(
    connect=AppRunnerTarget,
    spec=spec_of,
    health=health_of,
    owned=owned,
    looks=LOOKS,
    grants=GRANTS,
    parts=parts,
    words=WORDS,
)
