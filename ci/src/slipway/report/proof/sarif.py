"""A proof as SARIF 2.1.0, for code scanning and for editors.

GitHub's code scanning rejects the whole file when a result has no location or a text is empty. It matches results between runs by line
or fingerprint. It ignores `suppressions`, so a suppressed finding also gets the level "note".
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from slipway.records.proof import Finding, Proof
from slipway.report.markdown import escaped, fenced
from slipway.untrusted import one_line, printable

RULE_PAGES: Final = "https://slipway.invalid/docs/rules"  # docs/rules has no public address yet
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LONGEST = 1000  # characters; GitHub cuts descriptions at 1024
_REMEDIES = 10


def sarif(proof: Proof) -> str:
    """Render the log in plain ASCII: one run, its violated rules, one result per finding."""
    driver = {"name": "slipway", "version": printable(proof.gate.gate), "rules": list(_rules(proof))}
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": _results(proof)}]}
    return json.dumps(log, indent=2) + "\n"


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
            "helpUri": _page(identity),
            "help": _help(identity, findings),
            "defaultConfiguration": {"level": findings[0].level.value},
        }


def _help(identity: str, findings: Sequence[Finding]) -> dict[str, str]:
    """Explain a rule: its effect, the safe form of each finding, where to read more."""
    remedies = {printable(each.remedy).strip(): each.remedy_is_code for each in findings if each.remedy.strip()}
    shown = list(remedies.items())[:_REMEDIES]
    marked = [fenced(remedy, "python") if code else escaped(remedy, 600) for remedy, code in shown]
    effect = f"{identity}: {_sentence(findings[0])}"
    more = f"Read more: {_page(identity)}"
    safe = ["Write instead:"] if remedies else []
    return {
        "text": "\n\n".join([effect, *safe, *(remedy for remedy, _ in shown), more]),
        "markdown": "\n\n".join([fenced(effect, "text"), *safe, *marked, more]),
    }


def _page(identity: str) -> str:
    return f"{RULE_PAGES}/{quote(identity, safe='')}"


def _results(proof: Proof) -> list[dict[str, Any]]:
    """Render every finding; equal findings are numbered so that their fingerprints differ."""
    seen: Counter[str] = Counter()
    results = []
    for finding in proof.findings:
        digest = _fingerprint(finding)
        seen[digest] += 1
        results.append(_result(finding, proof, f"{digest}:{seen[digest]}"))
    return results


def _result(finding: Finding, proof: Proof, fingerprint: str) -> dict[str, Any]:
    measured = f" Measured: {one_line(finding.measured, _LONGEST)}" if finding.measured else ""
    # GitHub's upload action computes the hash of a line itself; without a line it needs ours.
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


def _place(finding: Finding, proof: Proof) -> dict[str, Any]:
    """Locate a finding; one without a file is shown at the newest revision, or at pyproject.toml."""
    newest = proof.revisions[-1].file if proof.revisions else ""
    file = next(filter(None, map(one_line, (finding.file or "", newest))), "pyproject.toml")
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(file)}}
    return place | {"region": {"startLine": finding.line}} if finding.line else place


def _fingerprint(finding: Finding) -> str:
    """Hash what stays the same when lines move: rule, file, revision, message and, without a line, the measured fact."""
    parts = (finding.rule, finding.file or "", finding.revision or "", finding.message)
    text = "\0".join(map(printable, (*parts, "" if finding.line else finding.measured)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _id(finding: Finding) -> str:
    return one_line(finding.rule) or "slipway"


def _sentence(finding: Finding) -> str:
    return one_line(finding.message, _LONGEST) or _id(finding)
