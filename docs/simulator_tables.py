"""The tables of the simulator's README: expected behaviours of AWS with their source, or with evidence from accounts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from slipway.conformance import expectations, express_expectations
from slipway.conformance.expectations import NOT_SIMULATED, SAME, Behaviour, Cell
from slipway.records.conformance import Conformance, ConformanceVerdict
from slipway.records.form import from_json

HERE = Path(__file__).parent
README = HERE.parent / "ci/src/slipway/simulator/README.md"
BEGIN, END = (
    "<!-- Generated from the suite's expectations by `make pages`. -->\n",
    "<!-- End of the generated part. -->\n",
)

Evidence = Mapping[str, ConformanceVerdict]


def readme() -> str:
    """Build the README: hand-written text above and below the generated tables."""
    above, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    evidence = expectations.evidence(reports(), chain(expectations.every(), express_expectations.every()))
    return f"{above}{BEGIN}\n{tables(evidence)}\n{END}{rest.partition(END)[2]}"


def reports() -> Iterator[Conformance]:
    """Read the reports in docs/conformance."""
    for file in sorted((HERE / "conformance").glob("*.json")):
        yield from_json(Conformance, file.read_text(encoding="utf-8"), file.name)


def tables(evidence: Evidence) -> str:
    """Build all tables."""
    parts = [
        _states("App Runner", expectations.STATES, expectations.cells(), evidence),
        *_behaviours(expectations.BEHAVIOURS, evidence),
        _states("Express Mode", express_expectations.STATES, express_expectations.cells(), evidence),
        *_behaviours(express_expectations.BEHAVIOURS, evidence),
    ]
    return "\n".join(parts)


def _states(service: str, states: Sequence[str], cells: Iterable[Cell], evidence: Evidence) -> str:
    rows: dict[str, list[Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.call, []).append(cell)
    lines = [f"| call | {' | '.join(states)} |", "| --- " * (len(states) + 1) + "|"]
    for call, row in rows.items():
        lines.append(f"| {call} | {' | '.join(_cell(cell, evidence) for cell in row)} |")
    return f"## {service}: calls by state\n" + _joined(lines)


def _cell(cell: Cell, evidence: Evidence) -> str:
    return f"{_short(cell)} {_mark(cell.subject, cell.mark, evidence)}"


def _short(cell: Cell) -> str:
    """Shorten a cell: errors by name, operations without their type where it is the call's own."""
    if cell.expected == SAME:
        return "200, no OperationId"
    if cell.expected == express_expectations.BEGINS:
        return "deploys"
    if cell.expected.startswith("begins"):
        own = cell.expected.removeprefix("begins ").replace("_", "").lower() == cell.call.lower()
        return "begins" if own else cell.expected
    return cell.expected.partition(":")[0].removesuffix("Exception")


def _behaviours(behaviours: Iterable[Behaviour], evidence: Evidence) -> Iterator[str]:
    tables: dict[str, list[str]] = {}
    for known in behaviours:
        mark = known.mark if known.mark == NOT_SIMULATED else _mark(known.subject, known.mark, evidence)
        rows = tables.setdefault(known.service, [f"| {known.service} | mark |", "| --- | --- |"])
        rows.append(f"| {known.says} | {mark} |")
    for service, rows in tables.items():
        yield f"## {service}\n" + _joined(rows)


def _mark(subject: str, mark: str, evidence: Evidence) -> str:
    """Return the mark of a subject; an account's answer replaces every other source."""
    source = mark if mark == "†" else f"[{mark}]"
    match evidence.get(subject):
        case ConformanceVerdict.CONFIRMED:
            return "[A]"
        case ConformanceVerdict.DIFFERS:
            return f"{source}, an account differs"
        case _:
            return source


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
