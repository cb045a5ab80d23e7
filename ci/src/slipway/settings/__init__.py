"""`[tool.slipway]` of a service's pyproject.toml, read strictly."""

from slipway.settings.app_runner import AppRunnerEnvironment, HealthPace, Scaling
from slipway.settings.environment import Environment, MigrationRunner, Network, RunnerKind, TargetKind
from slipway.settings.file import MissingTableError, load, load_file, parse
from slipway.settings.service import (
    Checks,
    Github,
    Images,
    Migrations,
    RehearsalCommits,
    Settings,
    SettingsError,
    Subjects,
    TestDatabase,
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
    "RehearsalCommits",
    "RunnerKind",
    "Scaling",
    "Settings",
    "SettingsError",
    "Subjects",
    "TargetKind",
    "TestDatabase",
    "Weight",
    "load",
    "load_file",
    "parse",
]
