import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from slipway.errors import BadInputError
from slipway.records.form import from_json
from slipway.records.proof import Finding, Level, Proof, Verdict
from slipway.report.files import PROOF, of_proof, write
from slipway.report.format import escaped, fenced
from slipway.report.proof.page import page as html
from slipway.report.proof.programs import annotations, code_quality, junit, sarif
from slipway.report.proof.text import comment, markdown, place, text

TEXT = """\
not covered: the cluster's roles

ERROR   M03   migrations/f10c_index.py:10  revision f10c
        Building an index blocks every write to notes.
        measured: SHARE on notes; an INSERT had to wait
        instead:
            with op.get_context().autocommit_block():
                op.create_index("ix", "notes", ["title"])

WARNING D01   the history
        The models differ.
        measured: notes.colour
        instead:
            Write a revision.

1 finding old: R02 migrations/e731_create.py
refused: 1 error, 1 warning; 2 revisions up, 1 of them down and up again on PostgreSQL 18.1 in 1.2 s
"""

COMMENT = """\
### Migrations refused

refused: 1 error, 1 warning; 2 revisions up, 1 of them down and up again on PostgreSQL 18.1 in 1.2 s

- not covered: the cluster's roles
- ❌ **M03** migrations/f10c\\_index.py:10: Building an index blocks every write to notes.
- ⚠️ **D01** the history: The models differ.

<details><summary>M03 migrations/f10c\\_index.py:10: measured, and what to write instead</summary>

Measured: SHARE on notes; an INSERT had to wait

```python
with op.get_context().autocommit_block():
    op.create_index("ix", "notes", ["title"])
```

</details>

<details><summary>D01 the history: measured, and what to write instead</summary>

Measured: notes.colour

Write a revision.

</details>
"""

MARKDOWN = """\
## Migrations refused

refused: 1 error, 1 warning; 2 revisions up, 1 of them down and up again on PostgreSQL 18.1 in 1.2 s

- not covered: the cluster's roles

### ❌ M03 migrations/f10c\\_index.py:10

Building an index blocks every write to notes.

Measured: SHARE on notes; an INSERT had to wait

```python
with op.get_context().autocommit_block():
    op.create_index("ix", "notes", ["title"])
```

### ⚠️ D01 the history

The models differ.

Measured: notes.colour

Write a revision.
"""


@pytest.fixture
def clean(proof):
    return replace(proof, findings=(), verdict=Verdict.PASS)


def test_a_proof_for_a_terminal_ends_with_the_verdict(proof):
    assert text(proof) == TEXT


def test_the_gates_own_choice_of_revisions_comes_first(clean):
    chosen = replace(clean, coverage=replace(clean.coverage, chosen="1 of 9 revisions, the newest"))
    assert text(chosen).startswith("tested: 1 of 9 revisions, the newest\nnot covered: ")
    assert "\n- tested: 1 of 9 revisions, the newest\n- not covered: " in markdown(chosen)


def test_a_proof_without_findings_is_what_was_not_covered_and_the_verdict(clean):
    assert text(clean).splitlines() == [
        "not covered: the cluster's roles",
        "",
        "passed: no findings; 2 revisions up, 1 of them down and up again on PostgreSQL 18.1 in 1.2 s",
    ]


def test_what_was_not_executed_has_not_passed(clean):
    none = tuple(replace(revision, fingerprints={}) for revision in clean.revisions)
    advice = "if production had it before alembic, set baseline"
    gaps = (f"2 of 2 revisions were not executed ({'a long reason ' * 40}); {advice}",)
    empty = replace(clean, revisions=none, coverage=replace(clean.coverage, revisions=0, gaps=gaps))
    assert text(empty).splitlines()[-1].startswith("not executed: no findings; 0 of 2 revisions up on")
    why = "this is not a pass: the exit code is 0 only because the revisions that did not run are old"
    assert all(why in report and advice in report for report in (text(empty), markdown(empty), comment(empty)))
    assert why not in text(clean)
    assert markdown(empty).startswith("## Migrations not executed\n")
    assert '<h1 class="verdict no">Migrations not executed: no findings</h1>' in html(empty)
    suite = ET.fromstring(junit(empty))
    assert suite.get("skipped") == "2"
    assert [case.find("skipped") is not None for case in suite] == [False, True, True]


def test_a_history_that_was_not_executed_to_its_end_has_not_passed(clean):
    first, *others = clean.revisions
    cut = replace(clean, revisions=(first, *(replace(each, fingerprints={}) for each in others)))
    cut = replace(cut, coverage=replace(clean.coverage, revisions=1))
    assert text(cut).splitlines()[-1].startswith("not fully executed: no findings; 1 of 2 revisions up on")
    assert '<h1 class="verdict no">Migrations not fully executed: no findings</h1>' in html(cut)


def test_the_verdict_has_the_whole_time_and_how_much_of_it_was_preparation(clean):
    waited = replace(clean, seconds={"preparation": 45.04, "start": 1.5, "stairway": 0.5})
    assert text(waited).splitlines()[-1].endswith(" in 47.0 s, 45.0 s of it to prepare")
    soon = replace(clean, seconds={"preparation": 0.3, "stairway": 0.5})
    assert text(soon).splitlines()[-1].endswith(" in 0.8 s")


def test_what_does_not_count_is_counted_by_its_reason(clean):
    old, allowed = (
        Finding(rule="R02", level=Level.ERROR, message="No way back.", suppressed=reason)
        for reason in ("older than start-after", "allowed: it is\nsmall")
    )
    lines = text(replace(clean, findings=(old, allowed, old))).splitlines()
    assert lines[2:4] == [
        "2 findings older than start-after: R02 the history, R02 the history",
        "1 finding allowed: it is small: R02 the history",
    ]


def test_several_of_a_kind_are_counted(clean):
    found = tuple(Finding(rule="N01", level=Level.NOTE, message="A note.") for _ in range(3))
    assert "passed: 3 notes;" in text(replace(clean, findings=found))


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [("a.py", 3, "a.py:3"), ("a.py", None, "a.py"), (None, None, "the history"), ("a\nb.py", 1, "a b.py:1")],
)
def test_the_place_of_a_finding_is_its_file_and_line(file, line, said):
    assert place(Finding(rule="M01", level=Level.ERROR, message="", file=file, line=line)) == said


def test_a_proof_for_a_pull_request_shows_the_safe_code(proof):
    assert markdown(proof) == MARKDOWN


def test_a_proof_without_findings_is_short_in_a_pull_request(clean):
    assert markdown(replace(clean, coverage=replace(clean.coverage, gaps=()))) == (
        "## Migrations passed\n\npassed: no findings; 2 revisions up, 1 of them down and up again on PostgreSQL 18.1 in 1.2 s\n"
    )


def test_a_pull_request_shows_ten_findings_and_counts_the_others(clean):
    found = tuple(Finding(rule=f"N{number:02}", level=Level.NOTE, message="A note.") for number in range(12))
    said = markdown(replace(clean, findings=found))
    assert said.count("### ") == 10
    assert "N09" in said
    assert "N10" not in said
    assert "2 more findings are in the full report." in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("plain words, 3.5 of them: (all) ok", "plain words, 3.5 of them: \\(all\\) ok"),
        ("a_b*c", "a\\_b\\*c"),
        ("<b> & </b>", "&lt;b&gt; &amp; &lt;/b&gt;"),
        ("@octocat", "@&#8203;octocat"),
        ("#12", "#&#8203;12"),
        ("https://a.example", "https:&#8203;//a.example"),
        ("www.a.example", "www&#8203;.a.example"),
        ("- item", "-&#8203; item"),
        ("1. item", "1&#8203;. item"),
        ("one\ntwo\x1b[31m", "one two"),
    ],
)
def test_escaped_text_has_no_effect_in_markdown_and_github(given, said):
    assert escaped(given) == said


def test_a_comment_is_one_screen(proof):
    assert comment(proof) == COMMENT
    many = replace(proof, findings=proof.findings * 20)
    listed, *folded = comment(many).split("<details>")
    assert (listed.count("**"), len(folded)) == (2 * 8, 8)
    assert "- 32 more in the summary of the job" in listed
    long = replace(proof, findings=tuple(replace(each, remedy="@x\n" * 7_000) for each in many.findings))
    assert len(comment(long)) < 65_536
    assert comment(long).endswith(
        "</details>\n\nThe summary of the job has the other remedies: a comment has no room for them.\n"
    )
    assert comment(replace(proof, findings=(), verdict=Verdict.PASS)).startswith(
        "### Migrations passed\n\npassed: no findings"
    )


@pytest.mark.parametrize(
    ("code", "fence"),
    [("x = 1", "```"), ("`x`", "```"), ("```\nx\n```", "````"), ("a ````` b", "``````"), ("", "```")],
)
def test_code_is_inside_a_fence_longer_than_any_it_contains(code, fence):
    assert fenced(code, "python") == f"{fence}python\n{code}\n{fence}"


def test_a_proof_is_a_suite_with_a_case_for_the_history_and_each_revision(proof):
    suite = ET.fromstring(junit(proof))
    assert (suite.tag, suite.attrib) == (
        "testsuite",
        {"name": "slipway gate", "tests": "3", "failures": "1", "skipped": "0", "time": "1.250"},
    )
    assert [(case.get("name"), case.get("file"), [part.tag for part in case]) for case in suite] == [
        ("the history", None, ["system-out", "system-out"]),
        ("e731", "migrations/e731_create.py", []),
        ("f10c", "migrations/f10c_index.py", ["failure"]),
    ]


def test_a_failure_says_the_rule_the_place_the_fact_and_the_remedy(proof):
    failure = ET.fromstring(junit(proof)).find(".//failure")
    assert failure.attrib == {"type": "M03", "message": "Building an index blocks every write to notes."}
    assert failure.text == (
        "migrations/f10c_index.py:10\n"
        "Building an index blocks every write to notes.\n"
        "measured: SHARE on notes; an INSERT had to wait\n"
        'instead:\nwith op.get_context().autocommit_block():\n    op.create_index("ix", "notes", ["title"])'
    )


def test_what_does_not_fail_is_output_of_its_case(proof):
    gaps, output = ET.fromstring(junit(proof)).findall(".//system-out")
    assert gaps.text == "not covered: the cluster's roles"
    assert output.text.startswith("warning D01 the history\nThe models differ.\n")


def test_a_revision_with_two_failures_is_one_failed_case(proof):
    twice = replace(proof, findings=(proof.findings[0], proof.findings[0]))
    suite = ET.fromstring(junit(twice))
    assert suite.get("failures") == "1"
    assert len(suite.findall(".//failure")) == 2


def test_a_failure_that_several_revisions_share_fails_each_of_their_cases(proof):
    shared = replace(proof.findings[0], also=("e731",))
    suite = ET.fromstring(junit(replace(proof, findings=(shared,))))
    assert suite.get("failures") == "2"
    assert [case.find("failure") is not None for case in suite] == [False, True, True]


def test_a_failure_in_a_revision_that_was_never_reached_is_one_of_the_history(proof):
    suite = ET.fromstring(junit(replace(proof, revisions=())))
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert suite.find("testcase/failure").get("type") == "M03"


def test_gitlab_shows_each_finding_that_is_not_suppressed_at_its_line(proof):
    issues = json.loads(code_quality(replace(proof, findings=(*proof.findings, *proof.findings))))
    shown = [finding for finding in proof.findings if finding.suppressed is None]
    assert [(issue["location"]["path"], issue["location"]["lines"]["begin"]) for issue in issues[: len(shown)]] == [
        (finding.file or proof.revisions[-1].file, finding.line or 1) for finding in shown
    ]
    assert {issue["severity"] for issue in issues} <= {"blocker", "minor", "info"}
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == 2 * len(shown)


def test_a_folder_of_reports_holds_every_form(proof, tmp_path):
    write(tmp_path / "new/report", of_proof(proof))
    written = {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "new/report").iterdir()}
    assert written.keys() == PROOF.keys()
    assert from_json(Proof, written["proof.json"], "proof.json") == proof
    assert written["report.txt"] == TEXT
    assert written["summary.md"] == MARKDOWN
    assert written["proof.sarif"] == sarif(proof)
    assert written["index.html"] == html(proof)
    assert written["annotations.txt"] == annotations(proof)


def test_a_report_for_an_unwritable_folder_is_bad_input(tmp_path):
    (tmp_path / "report").write_text("a file")
    with pytest.raises(BadInputError) as caught:
        write(tmp_path / "report", {"report.txt": ""})
    assert str(caught.value) == f"cannot write the report to {tmp_path / 'report'}: File exists; pass another folder"


def test_files_are_named_from_the_repository_for_programs_and_from_the_service_for_people(proof):
    files = of_proof(replace(proof, folder="services/shop"))
    named = {name for name, text in files.items() if "services/shop/migrations" in text}
    assert named == files.keys() - {"proof.json", "report.txt", "index.html"}
