import json
import re
from dataclasses import replace
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.records.proof import Finding, Level, Verdict
from slipway.report.proof.programs import sarif

HOSTILE = [
    "\x1b[31m\x00\x9b",
    "\u202egpj.exe\u2028",
    "\ud800",
    '"}], "level": "error',
    "```\n# heading",
    "https://a.example",
    "//a",
    "",
]
many = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


def run_of(proof):
    (run,) = json.loads(sarif(proof))["runs"]
    return run


def with_text(proof, text):
    findings = tuple(
        replace(finding, rule=text, message=text, file=text, measured=text, remedy=text, suppressed=reason)
        for finding in proof.findings
        for reason in (None, text)
    )
    revisions = tuple(replace(revision, file=text) for revision in proof.revisions)
    return replace(proof, findings=findings, revisions=revisions, gate=replace(proof.gate, gate=text))


def strings(value):
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in items for text in strings(item)]


def test_a_log_is_sarif_2_1_0_with_one_run_of_slipway(proof):
    log = json.loads(sarif(proof))
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    assert set(run_of(proof)) == {"tool", "results"}
    driver = run_of(proof)["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("slipway", "0.1.0")


def test_a_failure_is_an_error_at_its_line_with_the_measured_fact(proof):
    result = run_of(proof)["results"][0]
    assert result | {"partialFingerprints": {}} == {
        "partialFingerprints": {},
        "ruleId": "M03",
        "level": "error",
        "message": {
            "text": "Building an index blocks every write to notes. Measured: SHARE on notes; an INSERT had to wait"
        },
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "migrations/f10c_index.py"},
                    "region": {"startLine": 10},
                }
            }
        ],
    }


def test_only_what_counts_is_an_error_or_a_warning(proof):
    levels = {result["ruleId"]: result["level"] for result in run_of(proof)["results"]}
    assert levels == {"M03": "error", "D01": "warning", "R02": "note"}


def test_what_does_not_count_carries_its_reason_and_the_others_none(proof):
    reasons = [result.get("suppressions") for result in run_of(proof)["results"]]
    assert reasons == [None, None, [{"kind": "external", "justification": "old"}]]


def test_what_concerns_the_history_is_shown_at_its_newest_revision_and_known_again_by_what_was_measured(proof):
    drift = run_of(proof)["results"][1]
    (location,) = drift["locations"]
    assert location == {"physicalLocation": {"artifactLocation": {"uri": "migrations/f10c_index.py"}}}
    other = replace(proof, findings=(replace(proof.findings[1], measured="notes.size"),))
    again = replace(proof, findings=(replace(proof.findings[1], remedy="Another."),))
    prints = [run_of(each)["results"][0]["partialFingerprints"] for each in (other, again)]
    assert prints[0] != drift["partialFingerprints"]
    assert prints[1] == drift["partialFingerprints"]


def test_a_finding_with_a_line_keeps_its_fingerprint_when_the_line_moves(proof):
    def prints(**changes):
        return run_of(replace(proof, findings=(replace(proof.findings[0], **changes),)))["results"][0][
            "partialFingerprints"
        ]

    assert list(prints()) == ["slipway/v1"]  # GitHub's action hashes the line itself
    assert prints(line=99, measured="another fact") == prints()
    assert all(prints(**{name: "other"}) != prints() for name in ("rule", "file", "revision", "message"))


def test_equal_findings_have_different_fingerprints(proof):
    twice = run_of(replace(proof, findings=(proof.findings[0],) * 2))["results"]
    assert twice[0]["partialFingerprints"] != twice[1]["partialFingerprints"]


def test_a_rule_brings_its_help_and_links_to_no_page_because_the_project_has_no_public_address(proof):
    rules = run_of(proof)["tool"]["driver"]["rules"]
    assert [rule["help"]["text"].splitlines()[-1] for rule in rules] == [
        f"Read more: slipway explain {name}" for name in ("M03", "D01", "R02")
    ]
    assert not any("helpUri" in rule for rule in rules)
    assert "://" not in json.dumps(run_of(proof))


def test_a_history_without_revisions_has_its_findings_where_the_settings_stand(proof):
    (result,) = run_of(replace(proof, revisions=(), findings=(Finding(rule="G01", level=Level.ERROR, message="No."),)))[
        "results"
    ]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "pyproject.toml"}


def test_a_rule_is_listed_once_with_its_effect_and_the_remedy_for_each_place(proof):
    first = proof.findings[0]
    twice = replace(proof, findings=(first, first, replace(first, remedy="op.execute('other')")))
    (rule,) = run_of(twice)["tool"]["driver"]["rules"]
    effect = {"text": "Building an index blocks every write to notes."}
    assert (rule["id"], rule["shortDescription"], rule["fullDescription"]) == ("M03", effect, effect)
    said, more = f"M03: {effect['text']}", "Read more: slipway explain M03"
    assert rule["help"]["text"] == f"{said}\n\nWrite instead:\n\n{first.remedy}\n\nop.execute('other')\n\n{more}"
    code = (f"```python\n{remedy}\n```" for remedy in (first.remedy, "op.execute('other')"))
    assert rule["help"]["markdown"] == "\n\n".join([f"```text\n{said}\n```", "Write instead:", *code, more])
    (bare,) = run_of(replace(proof, findings=(replace(first, remedy=""),)))["tool"]["driver"]["rules"]
    assert bare["help"]["text"] == f"{said}\n\n{more}"
    assert rule["defaultConfiguration"] == {"level": "error"}


def test_every_result_names_a_rule_that_is_there(proof):
    run = run_of(proof)
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["M03", "D01", "R02"]
    assert {result["ruleId"] for result in run["results"]} == set(rules)


def test_a_proof_without_findings_has_neither_rules_nor_results(proof):
    run = run_of(replace(proof, findings=(), verdict=Verdict.PASS))
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])


@pytest.mark.parametrize(
    ("file", "uri"),
    [("a b.py", "a%20b.py"), ("a:b.py", "a%3Ab.py"), ("ä/%41.py", "%C3%A4/%2541.py"), ("a?b#c.py", "a%3Fb%23c.py")],
)
def test_a_file_is_a_relative_reference_that_leads_back_to_it(proof, file, uri):
    (result,) = run_of(
        replace(proof, findings=(Finding(rule="L01", level=Level.ERROR, message="No.", file=file, line=1),))
    )["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri
    assert unquote(urlsplit(uri).path) == file


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_changes_neither_the_form_nor_the_terminal(proof, text):
    check_form(proof, text)


@many
@given(text=st.text(st.characters()))
def test_any_text_at_all_leaves_a_log_that_code_scanning_takes(proof, text):
    check_form(proof, text)


def check_form(proof, text):
    said = sarif(with_text(proof, text))
    assert said.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", said)
    run = json.loads(said)["runs"][0]
    assert [result["level"] for result in run["results"]] == ["error", "note", "warning", "note", "error", "note"]
    assert not any(re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", each) for each in strings(run))
    for result in run["results"]:
        result.pop("suppressions", None)
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9/._~%-]+", uri)
    assert all(strings([run["results"], run["tool"]["driver"]["rules"]])), "code scanning takes no empty text"
