"""The proofs of all services of a repository, as one report in each format."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from urllib.parse import quote

from slipway.records.proof import VERDICTS, Finding, Proof
from slipway.records.services import Proofs, ServiceProof
from slipway.records.words import counted
from slipway.report.format import escaped, rendered
from slipway.report.proof import programs
from slipway.report.proof.text import listing, tally
from slipway.report.proof.text import markdown as proof_markdown
from slipway.report.proof.text import text as proof_text
from slipway.untrusted import one_line

_CELL = 100  # characters of a table's cell
_COLUMNS = ("service", "verdict", "revisions", "findings")


def text(proofs: Proofs) -> str:
    """Render the report of each service below the name of its folder, then a table of all services."""
    reports = "".join(f"=== {one_line(service.folder)}\n{_text(service)}\n" for service in proofs.services)
    table = (_COLUMNS, *_rows(proofs))
    widths = [max(len(row[column]) for row in table) for column in range(len(_COLUMNS) - 1)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in table
    )
    return reports + "".join(f"{line.rstrip()}\n" for line in lines)


def _text(service: ServiceProof) -> str:
    return (
        proof_text(service.proof)
        if service.proof
        else "".join(f"could not run: {reason}\n" for reason in _reasons(service))
    )


def _reasons(service: ServiceProof) -> Iterator[str]:
    return (one_line(f"{refusal.what}: {refusal.next_step}", 1000) for refusal in service.refusals)


def _rows(proofs: Proofs) -> Iterator[tuple[str, ...]]:
    for service in proofs.services:
        yield (one_line(service.folder), *_row(service))
    for folder in proofs.unchanged:
        yield one_line(folder), "unchanged", "", f"no change since {one_line(proofs.since)}"


def _row(service: ServiceProof) -> tuple[str, str, str]:
    """Return verdict, revisions and findings of a service."""
    proof = service.proof
    if proof is None:
        return "could not run", "", one_line(next(_reasons(service)), _CELL)
    revisions = f"{len(proof.revisions) - len(proof.unexecuted)} executed"
    revisions += f", {len(proof.unexecuted)} not" if proof.unexecuted else ""
    verdict = ", ".join(filter(None, [proof.verdict_in_words, one_line(proof.coverage.partial, _CELL)]))
    return verdict, revisions, tally(proof.findings)


def title(proofs: Proofs) -> str:
    """Return a title such as `Migrations of 3 services: 1 refused, 1 could not run, 1 passed`."""
    verdicts = [_row(service)[0].partition(",")[0] for service in proofs.services]
    counts = (f"{verdicts.count(verdict)} {verdict}" for verdict in ("could not run", *VERDICTS) if verdict in verdicts)
    return f"Migrations of {counted(len(verdicts), 'service')}: {', '.join(counts) or 'no service has changed'}"


def _table(proofs: Proofs) -> str:
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *(tuple(map(escaped, row)) for row in _rows(proofs))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def markdown(proofs: Proofs) -> str:
    """Render the table of services, then the report of each tested service."""
    parts = [f"## {title(proofs)}", _table(proofs)]
    for service in proofs.services:
        if service.proof:
            parts += [f"# {escaped(service.folder)}", proof_markdown(service.proof.in_repository()).rstrip("\n")]
    return "\n\n".join(parts) + "\n"


def comment(proofs: Proofs) -> str:
    """Render a comment of one screen: the table of services, and the first findings of all services, errors first."""
    return listing([f"### {title(proofs)}", _table(proofs)], _worst_first(proofs.proven))


def _worst_first(proofs: tuple[Proof, ...]) -> list[Finding]:
    return sorted((finding for proof in proofs for finding in proof.findings), key=lambda finding: not finding.fails)


def page(proofs: Proofs) -> str:
    """Render the table of services, with links to their pages."""
    proven = [service for service in proofs.services if service.proof]
    links = {one_line(service.folder): f"{quote(place(one_line(service.folder)))}/index.html" for service in proven}
    rows = [(row, links.get(row[0], "")) for row in _rows(proofs)]
    return rendered("services.html", title=title(proofs), columns=_COLUMNS, rows=rows)


def place(folder: str) -> str:
    return "services" if folder == "." else f"services/{folder}"


def annotations(proofs: Proofs) -> str:
    """Render the annotations of each service, and one for each reason why a service could not be tested."""
    refused = [(service, reason) for service in proofs.services for reason in _reasons(service)]
    lines = (
        programs.annotation("error", f"{service.folder} could not be tested: {reason}", {"title": "slipway"})
        for service, reason in refused
    )
    return "".join([*lines, *map(programs.annotations, proofs.proven)])


def junit(proofs: Proofs) -> str:
    """Render a JUnit suite for each service. A service that could not be tested has an error."""
    suites = ET.Element("testsuites", name="slipway gate")
    for service in proofs.services:
        name = f"slipway gate {service.folder}"
        suites.append(programs.suite(service.proof.in_repository(), name) if service.proof else _failed(service, name))
    return programs.xml(suites)


def _failed(service: ServiceProof, name: str) -> ET.Element:
    suite = ET.Element("testsuite", name=programs.valid(name), tests="1", failures="0", errors="1")
    case = ET.SubElement(suite, "testcase", classname="migrations", name="the history")
    for reason in _reasons(service):
        ET.SubElement(case, "error", message=programs.valid(reason))
    return suite


def sarif(proofs: Proofs) -> str:
    """Render a SARIF run for each tested service.

    GitHub compares it with earlier runs of the same category, which is the id up to its last slash.
    A service that could not be tested has no run, so its earlier alerts stay open. GitHub refuses files with more than
    20 runs.
    """
    runs = (
        programs.sarif_run(service.proof.in_repository())
        | {"automationDetails": {"id": f"slipway {one_line(service.folder)}/"}}
        for service in proofs.services
        if service.proof
    )
    return programs.sarif_log(list(runs))
