"""`[tool.slipway]` of a service's pyproject.toml, read strictly."""

from slipway.settings.app_runner import AppRunnerEnvironment, HealthPace, Scaling
from slipway.settings.environment import Environment, MigrationRunner, Network, Runner, TargetKind
from slipway.settings.file import MissingTableError, load, load_file, parse
from slipway.settings.service import (
    Checks,
    Github,
    Images,
    Migrations,
    Rehearsal,
    Settings,
    SettingsError,
    Subjects,
    Weight,
)

__all__ = [
    "AppRunnerEnvironment",
    "Checks",
    "Environment",
    "Github",
    "HealthPace",
    "Images",
    "MigrationRunner",
    "Migrations",
    "MissingTableError",
    "Network",
    "Rehearsal",
    "Runner",
    "Scaling",
    "Settings",
    "SettingsError",
    "Subjects",
    "TargetKind",
    "Weight",
    "load",
    "load_file",
    "parse",
]
