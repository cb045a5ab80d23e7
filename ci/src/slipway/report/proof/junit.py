"""A proof as JUnit XML: one test case per revision, one for the history as a whole."""

import re
import xml.etree.ElementTree as ET

from slipway.records.proof import Finding, Proof
from slipway.report.proof.text import place
from slipway.untrusted import printable

_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(proof: Proof) -> str:
    """Render the suite; ElementTree escapes."""
    known = {revision.id for revision in proof.revisions}  # empty when alembic could not read the history
    by_revision: dict[str | None, list[Finding]] = {}
    for finding in proof.findings:
        by_revision.setdefault(finding.revision if finding.revision in known else None, []).append(finding)
    cases = [("the history", None, None), *((revision.id, revision.id, revision.file) for revision in proof.revisions)]
    failures = sum(_fails(by_revision.get(key, [])) for _, key, _ in cases)
    suite = ET.Element("testsuite", name="slipway gate", tests=str(len(cases)), failures=str(failures))
    suite.set("time", f"{sum(proof.seconds.values()):.3f}")
    for name, key, file in cases:
        case = ET.SubElement(suite, "testcase", classname="migrations", name=_valid(name))
        if file:
            case.set("file", _valid(file))
        for finding in by_revision.get(key, []):
            _add(case, finding)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _fails(findings: list[Finding]) -> bool:
    return any(finding.fails for finding in findings)


def _add(case: ET.Element, finding: Finding) -> None:
    text = _valid(f"{place(finding)}\n{finding.message}\nmeasured: {finding.measured}\ninstead:\n{finding.remedy}")
    if finding.fails:
        ET.SubElement(case, "failure", type=_valid(finding.rule), message=_valid(finding.message)).text = text
    elif finding.suppressed is None:
        ET.SubElement(case, "system-out").text = f"{finding.level.value} {_valid(finding.rule)} {text}"


def _valid(text: str) -> str:
    return _NOT_XML.sub("", printable(text))
