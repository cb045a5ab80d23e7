"""The targets, by the user's choice in the settings."""

from collections.abc import Mapping

from slipway.release.engine.spec import ServiceSpec
from slipway.release.targets.app_runner.description import APP_RUNNER
from slipway.release.targets.description import TargetDescription
from slipway.settings import Settings, SettingsError, TargetKind

TARGETS: Mapping[TargetKind, TargetDescription] = {TargetKind.APP_RUNNER: APP_RUNNER}


def target_of(settings: Settings, environment: str) -> TargetDescription:
    """Return the target of an environment; raises SettingsError for one that is only planned."""
    kind = settings.environment(environment).target
    if kind not in TARGETS:
        known = ", ".join(each.value for each in TARGETS)
        raise SettingsError(f"the target {kind.value} of {environment} is not supported yet", f"choose one of {known}")
    return TARGETS[kind]


def spec_of(settings: Settings, environment: str, digest: str) -> ServiceSpec:
    """Return the desired service of an environment; raises SettingsError when the settings do not have it."""
    return target_of(settings, environment).spec(settings, environment, digest)
