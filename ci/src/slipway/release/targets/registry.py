"""The targets, by the user's choice in the settings."""

from collections.abc import Mapping

from slipway.release.targets.app_runner.platform import APP_RUNNER
from slipway.release.targets.platform import Platform
from slipway.settings import Settings, SettingsError, TargetKind

PLATFORMS: Mapping[TargetKind, Platform] = {TargetKind.APP_RUNNER: APP_RUNNER}


def platform_of(settings: Settings, environment: str) -> Platform:
    """The platform that an environment names; raises SettingsError for one that is only planned."""
    kind = settings.environment(environment).target
    if kind not in PLATFORMS:
        known = ", ".join(each.value for each in PLATFORMS)
        raise SettingsError(f"the target {kind.value} of {environment} is not supported yet", f"choose one of {known}")
    return PLATFORMS[kind]
