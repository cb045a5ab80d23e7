"""A run of pytest with `--slipway`: its options, its tests beside all others, and their remarks at the end."""

import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from slipway.pytest_plugin.asking import Gate, Options
from slipway.pytest_plugin.items import NAME, Migrations

_SHARED = "slipway_shared"


class Run:
    """Hooks of one process; xdist's workers receive the same command line and the folder with the gate's answers."""

    def __init__(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", f"{NAME}: proves migrations; enabled by --slipway")
        here = config.invocation_params.dir
        self._chosen = tuple(name for name in config.args if _is_ours(name, here))
        config.args[:] = [name for name in config.args if name not in self._chosen]
        self._shared = _shared_folder(config)
        self._gate = Gate(_options(config, here), Path(self._shared))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Called by xdist before it starts a worker."""
        node.workerinput[_SHARED] = self._shared

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Add the migrations, one collector, to the collectors of files."""
        report = yield
        if isinstance(collector, pytest.Session) and report.passed:
            migrations: Migrations = Migrations.from_parent(
                collector, name=NAME, nodeid=NAME, path=self._gate.source, gate=self._gate, chosen=self._chosen
            )
            report.result.append(migrations)
        return report

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the remarks of passed and skipped tests; those of failed ones are part of their failure."""
        reports = [report for name in ("passed", "skipped") for report in terminalreporter.getreports(name)]
        remarks = [
            (report.nodeid, text)
            for report in reports
            if report.nodeid.startswith(f"{NAME}::")
            for title, text in report.sections
            if title.startswith(f"Captured {NAME}")
        ]
        if remarks:
            terminalreporter.section("slipway remarks")
        for test, text in remarks:
            terminalreporter.write_line(test, bold=True)
            terminalreporter.write_line(f"{text}\n")


def _options(config: pytest.Config, here: Path) -> Options:
    source, python = (config.getoption(f"slipway_{name}") for name in ("source", "python"))
    return Options(
        source=here / source if source else config.rootpath,
        config=config.getoption("slipway_config"),
        since=config.getoption("slipway_since"),
        python=here / python if python else None,
        database_url=config.getoption("slipway_database_url"),
        allow_production_like=config.getoption("slipway_allow_production_like"),
    )


def _shared_folder(config: pytest.Config) -> str:
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput and _SHARED in workerinput:
        return str(workerinput[_SHARED])
    made = tempfile.TemporaryDirectory(prefix="slipway-pytest-")
    config.add_cleanup(made.cleanup)
    return made.name


def _is_ours(argument: str, here: Path) -> bool:
    """Whether an argument names tests of ours; a folder of that name takes precedence."""
    return argument.startswith(f"{NAME}::") or (argument == NAME and not (here / NAME).exists())
