"""A run of pytest with `--slipway`: `slipway::5b0a7d1c42ef_create_notes::locks`, `slipway::drift` beside all other tests."""

import dataclasses
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest

from slipway.errors import SlipwayError
from slipway.pytest_plugin.gate import (
    DRIFT,
    GRAPH,
    LOCKS,
    ROWS,
    UP,
    UP_DOWN_UP,
    AlreadyReportedError,
    Gate,
    judge,
    options_of,
)
from slipway.records.gate import Listed
from slipway.records.proof import Finding
from slipway.untrusted import one_line

NAME = "slipway"
_SHARED = "slipway_shared"


class Migrations(pytest.Collector):
    """The tests of the whole history. pytest does not take them for a file, so `--lf` always collects them.

    `chosen` are the node ids on the command line. Without any, all tests run.
    """

    def __init__(self, *, gate: Gate, chosen: tuple[str, ...], **of_node: Any) -> None:
        super().__init__(**of_node)
        self._gate = gate
        self._chosen = chosen
        self.add_marker(NAME)

    def collect(self) -> Iterator["Revision | Check"]:
        try:
            listed = self._gate.listing().revisions
        except SlipwayError as error:
            raise self.CollectError(one_line(str(error), 1000)) from error
        gate = self._gate
        revisions: list[Revision] = [
            Revision.from_parent(self, name=name_of(each), path=gate.source / each.file, gate=gate, listed=each)
            for each in listed
        ]
        history = (Check.from_parent(self, name=check, path=self.path, gate=gate) for check in (GRAPH, DRIFT))
        children: list[Revision | Check] = [*revisions, *history]
        known = {node.nodeid for node in (self, *children, *(test for each in revisions for test in each.collect()))}
        for name in self._chosen:
            if name not in known:
                raise self.CollectError(f"there is no test {name}: `pytest --collect-only --slipway` lists them")
        yield from filter(self.wants, children)

    def wants(self, node: pytest.Item | pytest.Collector) -> bool:
        """Return whether a node is chosen, or is above or below a chosen one."""
        mine = f"{node.nodeid}::"
        return not self._chosen or any(
            mine.startswith(f"{name}::") or f"{name}::".startswith(mine) for name in self._chosen
        )


class Revision(pytest.Collector):
    """The tests of one revision, with a name from its id and file."""

    parent: Migrations

    def __init__(self, *, gate: Gate, listed: Listed, **of_node: Any) -> None:
        super().__init__(**of_node)
        self._gate = gate
        self._listed = listed

    def collect(self) -> Iterator["Check"]:
        """Yield the checks of the revision. An old revision is only upgraded."""
        for check in (UP_DOWN_UP, LOCKS, ROWS) if self._listed.new else (UP,):
            made: Check = Check.from_parent(self, name=check, gate=self._gate, listed=self._listed)
            if self.parent.wants(made):
                yield made


class Check(pytest.Item):
    """One check of a revision, or of the history."""

    def __init__(self, *, gate: Gate, listed: Listed | None = None, **of_node: Any) -> None:
        super().__init__(**of_node)
        self._gate = gate
        self._listed = listed
        self._failures: tuple[Finding, ...] = ()

    def setup(self) -> None:
        """Wait for the proof. Without one, the first test fails with the error and the others are skipped."""
        try:
            self._gate.proof()
        except AlreadyReportedError as error:
            pytest.skip(one_line(str(error), 1000))
        except SlipwayError as error:
            pytest.fail(one_line(str(error), 1000), pytrace=False)

    def runtest(self) -> None:
        judgement = judge(self._gate.proof(), self.name, self._listed.id if self._listed else None)
        if judgement.remarks:
            self.add_report_section("call", NAME, "\n\n".join(judgement.remarks))
        self._failures = judgement.failures
        if judgement.failures:
            pytest.fail(judgement.text, pytrace=False)
        if judgement.reason:
            pytest.skip(judgement.reason)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the findings as text at the place of the first one, for editors and annotations in pull requests."""
        shown = super().repr_failure(excinfo, style)
        place = next((each for each in self._failures if each.file), None)
        if place and place.file and (crash := getattr(shown, "reprcrash", None)):
            at_finding = dataclasses.replace(crash, path=str(self._gate.source / place.file), lineno=place.line or 1)
            shown.reprcrash = at_finding  # type: ignore[union-attr]
        return shown

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, self._listed.line - 1 if self._listed else None, self.nodeid


def name_of(listed: Listed) -> str:
    """Return the name of the file without its ending. Put the id before it, unless the name contains the id."""
    stem = PurePath(listed.file).stem
    return stem if listed.id in stem else f"{listed.id}_{stem}"


class Run:
    """The plugin's hooks.

    Each worker of xdist has its own. The first process sends them the folder with the gate's results.
    """

    def __init__(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", f"{NAME}: proves migrations; enabled by --slipway")
        here = config.invocation_params.dir
        self._chosen = tuple(name for name in config.args if _is_ours(name, here))
        config.args[:] = [name for name in config.args if name not in self._chosen]
        self._shared = _shared_folder(config)
        self._gate = Gate(options_of(config, here), Path(self._shared))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Send the folder to a worker that xdist is about to start."""
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
        """Print the remarks of passed and skipped tests. A failed test shows its remarks in its own report."""
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


def _shared_folder(config: pytest.Config) -> str:
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput and _SHARED in workerinput:
        return str(workerinput[_SHARED])
    made = tempfile.TemporaryDirectory(prefix="slipway-pytest-")
    config.add_cleanup(made.cleanup)
    return made.name


def _is_ours(argument: str, here: Path) -> bool:
    """Return whether an argument names slipway's tests. A folder with that name takes precedence."""
    return argument.startswith(f"{NAME}::") or (argument == NAME and not (here / NAME).exists())
