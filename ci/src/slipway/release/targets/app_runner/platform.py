"""App Runner, put together."""

from slipway.release.targets.app_runner.permissions import GRANTS
from slipway.release.targets.app_runner.target import AppRunner
from slipway.release.targets.platform import Platform

APP_RUNNER = Platform(connect=AppRunner, grants=GRANTS)
