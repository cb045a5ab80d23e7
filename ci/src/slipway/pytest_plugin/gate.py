"""The gate of a test run, which one process executes once, and the outcome of each test.

A finding belongs to a check by the family of its rule. A check that did not run never passes.
"""

import fcntl
import importlib.util
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import pytest

from slipway.errors import RefusedError, SlipwayError, UnknownOutcomeError, within
from slipway.local.prove import AlembicOptions, GateOptions, NamedServer
from slipway.records.form import from_json, to_json
from slipway.records.gate import Listing
from slipway.records.proof import UNCOMPARED, Finding, Proof
from slipway.records.refusal import Refusal
from slipway.report.proof.text import explained
from slipway.untrusted import one_line

T = TypeVar("T")
GRAPH: Final = "graph"
DRIFT: Final = "drift"
UP: Final = "up"
UP_DOWN_UP: Final = "up-down-up"
LOCKS: Final = "locks"
ROWS: Final = "rows"

_FAMILIES: Final = {"drift": DRIFT} | {
    start: check
    for check, starts in ((GRAPH, "AG"), (ROWS, "CD"), (LOCKS, "LQ"), (UP_DOWN_UP, "PRSTU"))
    for start in starts
}
_UPGRADE_FAILS: Final = frozenset({"U01", "T01", "T06", "T08"})


class AlreadyReportedError(RefusedError):
    """Another test of this run has already reported why there is no proof."""


def options_of(config: pytest.Config, here: Path) -> GateOptions:
    """Return the gate's options from those of pytest. Paths are relative to the folder in which pytest was started."""
    source, python = (config.getoption(f"slipway_{name}") for name in ("source", "python"))
    allowed = config.getoption("slipway_allow_production_like")
    return GateOptions(
        source=here / source if source else config.rootpath,
        alembic=AlembicOptions(
            config=config.getoption("slipway_config"),
            section=config.getoption("slipway_section"),
            x_arguments=tuple(config.getoption("slipway_x_argument")),
        ),
        since=config.getoption("slipway_since"),
        everything=config.getoption("slipway_all_revisions"),
        python=here / python if python else own_environment(),
        server=NamedServer.of(config.getoption("slipway_database_url"), allow_production_like=allowed),
    )


def own_environment() -> Path | None:
    """Return pytest's own virtual environment if it is a service's, that is, if it has alembic."""
    here = Path(sys.prefix)
    return here if importlib.util.find_spec("alembic") and (here / "bin/python").exists() else None


class Gate:
    """The gate of a test run. `shared` is a folder for all processes of the run."""

    def __init__(self, options: GateOptions, shared: Path) -> None:
        self.source = options.source
        self._options = options
        self._shared = shared
        self._proof: Proof | None = None

    def listing(self) -> Listing:
        """List the revisions. Raise SlipwayError when they cannot be read."""
        from slipway.local.gate import revisions

        text, _ = once(self._shared / "listing.json", partial(_answer, revisions, self._options))
        return _read(Listing, text)

    def proof(self) -> Proof:
        """Return the proof.

        Without one, raise SlipwayError in the first test of a run, and AlreadyReportedError in the others.
        """
        from slipway.local.gate import gate

        if self._proof is None:
            text, here = once(self._shared / "proof.json", partial(_answer, gate, self._options))
            try:
                self._proof = _read(Proof, text)
            except SlipwayError as error:
                raise error if here else AlreadyReportedError("there is no proof", error.what) from error
        return self._proof


def once(file: Path, make: Callable[[], str]) -> tuple[str, bool]:
    """Return the text of a file, and whether this call made it. The first process makes it, and the others wait."""
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file.exists():
            return file.read_text(encoding="utf-8"), False
        text = make()
        file.write_text(text, encoding="utf-8")
        return text, True


def _answer(verb: Callable[..., Coroutine[Any, Any, Any]], options: GateOptions) -> str:
    try:
        return to_json(anyio.run(partial(verb, options)))
    except Exception as error:  # noqa: BLE001 -- raised again in every process of the run
        unexpected = f"unexpected {type(error).__name__}: {one_line(str(error))}"
        known = within(error) or UnknownOutcomeError(unexpected, "run `slipway gate --debug` for the traceback")
        return to_json(Refusal.of(known))


def _read(kind: type[T], text: str) -> T:
    if json.loads(text)["schema"] == Refusal.SCHEMA:
        raise from_json(Refusal, text, "the refusal").error()
    return from_json(kind, text, "the gate's answer")


@dataclass(frozen=True)
class Judgement:
    """The outcome of a test: failed with failures, skipped with a reason, otherwise passed.

    Remarks do not make a test fail.
    """

    failures: tuple[Finding, ...]
    reason: str | None
    remarks: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n\n".join(map(explained, self.failures))


def check_of(rule: str) -> str:
    """Return the check to which a rule belongs; the history's for an unknown family."""
    return next((check for start, check in _FAMILIES.items() if rule.startswith(start)), GRAPH)


def judge(proof: Proof, check: str, revision: str | None = None) -> Judgement:
    """Return the outcome of a check, for one revision or for the history."""
    findings = [
        finding
        for finding in proof.findings
        if check_of(finding.rule) == check and (revision is None or revision in finding.revisions)
    ]
    failures = tuple(finding for finding in findings if finding.fails)
    if revision is None:
        reason = _why_not_compared(proof) if check == DRIFT else None
    else:
        reason = _why_not_reached(proof, revision)
    remarks = [
        f"{finding.level.value}: {explained(finding)}"
        for finding in findings
        if not finding.fails and finding.suppressed is None
    ]
    unmeasured = _unmeasured(proof, revision) if check == LOCKS else ()
    return Judgement(failures, None if failures else reason, (*remarks, *unmeasured))


def _why_not_compared(proof: Proof) -> str | None:
    if not proof.revisions:
        return f"{UNCOMPARED}: no revision was executed"
    return next((gap for gap in proof.coverage.gaps if gap.startswith(UNCOMPARED)), None)


def _why_not_reached(proof: Proof, revision: str) -> str | None:
    if any(each.id == revision and "up" in each.fingerprints for each in proof.revisions):
        return None
    if proof.coverage.baseline and all(each.id != revision for each in proof.revisions):
        return f"not executed: the baseline has its changes ({proof.coverage.baseline})"
    failed = {finding.revision for finding in proof.findings if finding.rule in _UPGRADE_FAILS}
    first = next((each.id for each in proof.revisions if each.id in failed), None)
    return f"not reached: the upgrade of {first} fails" if first else "not reached: the history cannot be walked"


def _unmeasured(proof: Proof, revision: str | None) -> tuple[str, ...]:
    return tuple(
        f"not measured, because it refuses to run in a transaction: {one_line(statement.sql)}"
        for each in proof.revisions
        if each.id == revision
        for statement in each.statements
        if not statement.measured
    )
