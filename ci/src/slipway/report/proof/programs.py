"""A proof for other programs: GitHub's annotations, GitLab's code quality, JUnit XML, and SARIF 2.1.0.

- GitHub's runner executes every printed line that begins with `::`, and reverses the escapes below (actions/runner,
  src/Runner.Common/ActionCommand.cs).
- GitHub's code scanning rejects a whole SARIF file when a result has no location or a text is empty. It matches results
  between runs by line or fingerprint. It ignores `suppressions`, so a suppressed finding also gets the level "note".
"""

import hashlib
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from slipway.records.proof import Finding, Level, Proof
from slipway.report.format import escaped, fenced
from slipway.report.proof.text import place
from slipway.untrusted import one_line, printable

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_IN_TEXT = str.maketrans({"%": "%25", "\n": "%0A"})  # `printable` leaves no other line ends
_IN_PROPERTY = _IN_TEXT | str.maketrans({":": "%3A", ",": "%2C"})


def annotations(proof: Proof) -> str:
    """Render a line for each finding that is not suppressed, the worst first. GitHub shows ten lines per level."""
    return "".join(_command(finding) for finding in proof.findings if finding.suppressed is None)


def _command(finding: Finding) -> str:
    message = f"{finding.message}\nMeasured: {finding.measured}\nInstead:\n{finding.remedy}"
    properties = {
        "file": finding.file or "",
        "line": str(finding.line or ""),
        "title": f"slipway {finding.rule}",
    }
    return annotation(_COMMANDS[finding.level], message, properties)


def annotation(command: str, message: str, properties: Mapping[str, str]) -> str:
    """Render one line for GitHub's runner."""
    values = {name: one_line(value).translate(_IN_PROPERTY) for name, value in properties.items()}
    written = ",".join(f"{name}={value}" for name, value in values.items() if value)
    return f"::{command} {written}::{printable(message).translate(_IN_TEXT)}\n"


_SEVERITIES = {Level.ERROR: "blocker", Level.WARNING: "minor", Level.NOTE: "info"}


def code_quality(*proofs: Proof) -> str:
    """Render GitLab's code quality report, with an issue for each finding that is not suppressed.

    GitLab shows issues in a merge request's diff.
    """
    issues = [
        {
            "description": f"{_id(finding)}: {_sentence(finding)}",
            "check_name": _id(finding),
            "fingerprint": fingerprint,
            "severity": _SEVERITIES[finding.level],
            "location": {"path": _file(finding, proof), "lines": {"begin": finding.line or 1}},
        }
        for proof, finding, fingerprint in _fingerprinted(*proofs)
        if finding.suppressed is None
    ]
    return json.dumps(issues, indent=2) + "\n"


_NOT_XML = r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # compiled on first use, because this takes 9 ms


def junit(proof: Proof) -> str:
    return xml(suite(proof))


def xml(element: ET.Element) -> str:
    return ET.tostring(element, encoding="unicode", xml_declaration=True) + "\n"


def suite(proof: Proof, title: str = "slipway gate") -> ET.Element:
    """Return the JUnit suite of a proof. ElementTree escapes its texts."""
    known = {revision.id for revision in proof.revisions}  # empty when alembic could not read the history
    by_revision: dict[str | None, list[Finding]] = {}
    for finding in proof.findings:
        for revision in known.intersection(finding.revisions) or (None,):
            by_revision.setdefault(revision, []).append(finding)
    cases = [("the history", None, None), *((revision.id, revision.id, revision.file) for revision in proof.revisions)]
    failures = sum(_fails(by_revision.get(key, [])) for _, key, _ in cases)
    suite = ET.Element("testsuite", name=valid(title), tests=str(len(cases)), failures=str(failures))
    skipped = sum(not _fails(by_revision.get(key, [])) for key in proof.unexecuted)
    suite.set("skipped", str(skipped))
    suite.set("time", f"{sum(proof.seconds.values()):.3f}")
    for name, key, file in cases:
        case = ET.SubElement(suite, "testcase", classname="migrations", name=valid(name))
        if file:
            case.set("file", valid(file))
        if key is None and proof.coverage.gaps:
            gaps = "\n".join(f"not covered: {valid(gap)}" for gap in proof.coverage.gaps)
            ET.SubElement(case, "system-out").text = gaps
        elif key in proof.unexecuted and not _fails(by_revision.get(key, [])):
            ET.SubElement(case, "skipped", message="not executed")
        for finding in by_revision.get(key, []):
            _add(case, finding)
    return suite


def _fails(findings: list[Finding]) -> bool:
    return any(finding.fails for finding in findings)


def _add(case: ET.Element, finding: Finding) -> None:
    text = valid(f"{place(finding)}\n{finding.message}\nmeasured: {finding.measured}\ninstead:\n{finding.remedy}")
    if finding.fails:
        ET.SubElement(case, "failure", type=valid(finding.rule), message=valid(finding.message)).text = text
    elif finding.suppressed is None:
        ET.SubElement(case, "system-out").text = f"{finding.level.value} {valid(finding.rule)} {text}"


def valid(text: str) -> str:
    """Remove the characters that XML does not allow."""
    return re.sub(_NOT_XML, "", printable(text))


_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LONGEST = 1000  # characters; GitHub cuts descriptions at 1024
_REMEDIES = 10


def sarif(proof: Proof) -> str:
    return sarif_log([sarif_run(proof)])


def sarif_log(runs: Sequence[Mapping[str, Any]]) -> str:
    """Render a SARIF log in plain ASCII."""
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}, indent=2) + "\n"


def sarif_run(proof: Proof) -> dict[str, Any]:
    """Return the SARIF run of a proof: the violated rules, and a result for each finding."""
    driver = {"name": "slipway", "version": printable(proof.gate.gate), "rules": list(_rules(proof))}
    results = [_result(finding, proof, fingerprint) for _, finding, fingerprint in _fingerprinted(proof)]
    return {"tool": {"driver": driver}, "results": results}


def _rules(proof: Proof) -> Iterator[dict[str, Any]]:
    by_id: dict[str, list[Finding]] = {}
    for finding in proof.findings:
        by_id.setdefault(_id(finding), []).append(finding)
    for identity, findings in by_id.items():
        description = {"text": _sentence(findings[0])}
        yield {
            "id": identity,
            "shortDescription": description,
            "fullDescription": description,
            "help": _help(identity, findings),
            "defaultConfiguration": {"level": findings[0].level.value},
        }


def _help(identity: str, findings: Sequence[Finding]) -> dict[str, str]:
    """Return the explanation of a rule: its effect, and the safe form for each finding."""
    remedies = {printable(each.remedy).strip(): each.remedy_is_code for each in findings if each.remedy.strip()}
    shown = list(remedies.items())[:_REMEDIES]
    marked = [fenced(remedy, "python") if code else escaped(remedy, 600) for remedy, code in shown]
    effect = f"{identity}: {_sentence(findings[0])}"
    more = f"Read more: slipway explain {identity}"
    safe = ["Write instead:"] if remedies else []
    return {
        "text": "\n\n".join([effect, *safe, *(remedy for remedy, _ in shown), more]),
        "markdown": "\n\n".join([fenced(effect, "text"), *safe, *marked, escaped(more)]),
    }


def _fingerprinted(*proofs: Proof) -> Iterator[tuple[Proof, Finding, str]]:
    """Yield every finding with its proof and fingerprint. Equal findings are numbered, so that their fingerprints differ."""
    seen: Counter[str] = Counter()
    for proof in proofs:
        for finding in proof.findings:
            digest = _fingerprint(finding)
            seen[digest] += 1
            yield proof, finding, f"{digest}:{seen[digest]}"


def _result(finding: Finding, proof: Proof, fingerprint: str) -> dict[str, Any]:
    measured = f" Measured: {one_line(finding.measured, _LONGEST)}" if finding.measured else ""
    # GitHub's upload action computes the hash of a line. For a finding without a line we must add one.
    prints = {"slipway/v1": fingerprint} | ({} if finding.line else {"primaryLocationLineHash": fingerprint})
    result: dict[str, Any] = {
        "ruleId": _id(finding),
        "level": finding.level.value if finding.suppressed is None else "note",
        "message": {"text": _sentence(finding) + measured},
        "locations": [{"physicalLocation": _place(finding, proof)}],
        "partialFingerprints": prints,
    }
    if finding.suppressed is not None:
        result["suppressions"] = [{"kind": "external", "justification": one_line(finding.suppressed)}]
    return result


def _file(finding: Finding, proof: Proof) -> str:
    """Return the file of a finding. For a finding without a file, return that of the newest revision, or pyproject.toml."""
    newest = proof.revisions[-1].file if proof.revisions else ""
    return next(filter(None, map(one_line, (finding.file or "", newest))), "pyproject.toml")


def _place(finding: Finding, proof: Proof) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(_file(finding, proof))}}
    return place | {"region": {"startLine": finding.line}} if finding.line else place


def _fingerprint(finding: Finding) -> str:
    """Return a hash that stays the same when lines move: of rule, file, revision and message; of the measured fact only without a line."""
    parts = (finding.rule, finding.file or "", finding.revision or "", finding.message)
    text = "\0".join(map(printable, (*parts, "" if finding.line else finding.measured)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _id(finding: Finding) -> str:
    return one_line(finding.rule) or "slipway"


def _sentence(finding: Finding) -> str:
    return one_line(finding.message, _LONGEST) or _id(finding)
