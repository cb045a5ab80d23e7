"""A proof as SARIF 2.1.0, for code scanning and for editors.

GitHub's code scanning takes a file as a whole or not at all: it wants a place in a file for every result, no empty text, and a line or a
fingerprint to know a result again. It does not read suppressions, so that what is suppressed is a note besides.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from slipway.records.proof import Finding, Proof
from slipway.report.markdown import escaped, fenced
from slipway.untrusted import one_line, printable

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LONGEST = 1000  # GitHub's descriptions end at 1024
_SHOWN = 10


def sarif(proof: Proof) -> str:
    """The log: one run, a rule for each that was broken, a result for each finding; plain ASCII."""
    driver = {"name": "slipway", "version": printable(proof.gate.gate), "rules": list(_rules(proof))}
    results = [_result(finding, proof) for finding in proof.findings]
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=2) + "\n"


def _rules(proof: Proof) -> Iterator[dict[str, Any]]:
    """Every rule once. A record knows no rule but by what is found, so that its help is the safe code for each place."""
    by_id: dict[str, list[Finding]] = {}
    for finding in proof.findings:
        by_id.setdefault(_id(finding), []).append(finding)
    for identity, findings in by_id.items():
        description = {"text": _sentence(findings[0])}
        remedies = {printable(each.remedy).strip(): each.remedy_is_code for each in findings if each.remedy.strip()}
        shown = list(remedies.items())[:_SHOWN]
        yield {
            "id": identity,
            "shortDescription": description,
            "fullDescription": description,
            "help": {
                "text": "\n\n".join(text for text, _ in shown) or description["text"],
                "markdown": "\n\n".join(fenced(text, "python") if code else escaped(text, 600) for text, code in shown)
                or fenced(description["text"], "python"),
            },
            "defaultConfiguration": {"level": findings[0].level.value},
        }


def _result(finding: Finding, proof: Proof) -> dict[str, Any]:
    measured = f" Measured: {one_line(finding.measured, _LONGEST)}" if finding.measured else ""
    result: dict[str, Any] = {
        "ruleId": _id(finding),
        "level": finding.level.value if finding.suppressed is None else "note",
        "message": {"text": _sentence(finding) + measured},
        "locations": [{"physicalLocation": _place(finding, proof)}],
    }
    if not finding.line:
        result["partialFingerprints"] = {"primaryLocationLineHash": _fingerprint(finding)}
    if finding.suppressed is not None:
        result["suppressions"] = [{"kind": "external", "justification": one_line(finding.suppressed)}]
    return result


def _place(finding: Finding, proof: Proof) -> dict[str, Any]:
    """Where to look: what concerns the history as a whole is shown at its newest revision, or where the settings stand."""
    newest = proof.revisions[-1].file if proof.revisions else ""
    file = next(filter(None, map(one_line, (finding.file or "", newest))), "pyproject.toml")
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(file)}}
    return place | {"region": {"startLine": finding.line}} if finding.line else place


def _fingerprint(finding: Finding) -> str:
    """What is not tied to a line is the same as long as the same is measured."""
    said = "\0".join(map(printable, (finding.rule, finding.message, finding.measured)))
    return f"{hashlib.sha256(said.encode()).hexdigest()[:16]}:1"


def _id(finding: Finding) -> str:
    return one_line(finding.rule) or "slipway"


def _sentence(finding: Finding) -> str:
    return one_line(finding.message, _LONGEST) or _id(finding)
