"""The tables of the simulator's README: what the suite expects of AWS, with its mark, or with what accounts have answered."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from slipway.conformance.evidence import shown
from slipway.conformance.expectations import BEHAVIOURS, NOT_SIMULATED, SAME, STATES, Cell, cells
from slipway.records.conformance import Conformance, ConformanceVerdict
from slipway.records.form import from_json

HERE = Path(__file__).parent
README = HERE.parent / "ci/src/slipway/simulator/README.md"
BEGIN, END = "<!-- From the suite's expectations, by `make pages`. -->\n", "<!-- The end of what is from there. -->\n"

Evidence = Mapping[str, ConformanceVerdict]


def readme() -> str:
    """The README with its tables; what is above and below is written by hand."""
    above, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    evidence = shown(reports())
    return f"{above}{BEGIN}\n{tables(evidence)}\n{END}{rest.partition(END)[2]}"


def reports() -> Iterator[Conformance]:
    """Those that were sent in."""
    for file in sorted((HERE / "conformance").glob("*.json")):
        yield from_json(Conformance, file.read_text(encoding="utf-8"), file.name)


def tables(evidence: Evidence) -> str:
    """Every table, one below the other."""
    services = dict.fromkeys(known.service for known in BEHAVIOURS)
    parts = [_states(evidence), *(_behaviours(service, evidence) for service in services)]
    return "\n".join(parts)


def _states(evidence: Evidence) -> str:
    rows: dict[str, list[Cell]] = {}
    for cell in cells():
        rows.setdefault(cell.call, []).append(cell)
    lines = [f"| call | {' | '.join(STATES)} |", "| --- " * (len(STATES) + 1) + "|"]
    for call, row in rows.items():
        lines.append(f"| {call} | {' | '.join(_cell(cell, evidence) for cell in row)} |")
    return "## App Runner: what a state lets be done\n" + _joined(lines)


def _cell(cell: Cell, evidence: Evidence) -> str:
    return f"{_short(cell)} {_mark(cell.subject, cell.mark, evidence)}"


def _short(cell: Cell) -> str:
    """An error by its name, and a beginning without its type where that is the call's own."""
    if cell.expected == SAME:
        return "200, no OperationId"
    if cell.expected.startswith("begins"):
        own = cell.expected.removeprefix("begins ").replace("_", "").lower() == cell.call.lower()
        return "begins" if own else cell.expected
    return cell.expected.partition(":")[0].removesuffix("Exception")


def _behaviours(service: str, evidence: Evidence) -> str:
    lines = [f"| what {service} does | mark |", "| --- | --- |"]
    for known in BEHAVIOURS:
        if known.service == service:
            mark = known.mark if known.mark == NOT_SIMULATED else _mark(known.subject, known.mark, evidence)
            lines.append(f"| {known.says} | {mark} |")
    return f"## {service}\n" + _joined(lines)


def _mark(subject: str, mark: str, evidence: Evidence) -> str:
    """What an account has answered counts more than what anybody says."""
    said = mark if mark == "†" else f"[{mark}]"
    match evidence.get(subject):
        case ConformanceVerdict.CONFIRMED:
            return "[A]"
        case ConformanceVerdict.DIFFERS:
            return f"{said}, an account differs"
        case _:
            return said


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
