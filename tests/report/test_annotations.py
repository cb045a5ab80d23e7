from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.records.proof import Finding, Level
from slipway.report.proof.programs import annotations

COMMANDS = {"error", "warning", "notice", "debug", "group", "add-mask", "stop-commands", "set-output", "echo"}
HOSTILE = [
    "\n::add-mask::a",
    "\r::stop-commands::pause",
    "\r\n::set-output name=a::b",
    "::error::b",
    "a::error file=b::c",
    ",line=1,title=other",
    "##[add-mask]a",
    "%0A::add-mask::a",
    "%250A%3A%2C",
    "a: b, c=d%",
    "\u2028::error::\u2029\x85::error::\x0b::error::\x0c",
    "\x1b[31m",
    "",
]
many = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


def unescaped(text, table):
    for escape, char in table:
        text = text.replace(escape, char)
    return text


IN_TEXT = [("%0D", "\r"), ("%0A", "\n"), ("%25", "%")]
IN_PROPERTY = [("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")]


def commands(log):
    """The commands that the runner reads from a log: `::name::` at the start of a line, and `##[name]` anywhere in one."""
    for line in log.splitlines():  # more kinds of ends than the runner knows
        info, separator, text = line.lstrip().removeprefix("::").partition("::")
        name, _, properties = info.partition(" ")
        if line.lstrip().startswith("::") and separator and name in COMMANDS:
            pairs = (pair.partition("=") for pair in properties.split(",") if "=" in pair)
            yield name, {key: unescaped(value, IN_PROPERTY) for key, _, value in pairs}, unescaped(text, IN_TEXT)
        elif "##[" in line:
            yield line.partition("##[")[2].partition("]")[0], {}, ""


def finding(text):
    return Finding(
        rule="L01", level=Level.ERROR, message=text, revision=text, file=text, line=3, measured=text, remedy=text
    )


def test_a_finding_is_a_command_with_file_line_and_title(proof):
    assert annotations(proof).splitlines()[0] == (
        "::error file=migrations/f10c_index.py,line=10,title=slipway M03::"
        "Building an index blocks every write to notes.%0AMeasured: SHARE on notes; an INSERT had to wait%0AInstead:%0A"
        'with op.get_context().autocommit_block():%0A    op.create_index("ix", "notes", ["title"])'
    )


def test_only_what_counts_is_marked_each_in_its_level(proof):
    note = Finding(rule="R06", level=Level.NOTE, message="Forward only.", file="a.py", line=1)
    found = list(commands(annotations(replace(proof, findings=(*proof.findings, note)))))
    assert [(name, said["title"]) for name, said, _ in found] == [
        ("error", "slipway M03"),
        ("warning", "slipway D01"),
        ("notice", "slipway R06"),
    ]


def test_what_concerns_the_history_names_no_file(proof):
    assert annotations(replace(proof, findings=(proof.findings[1],))).startswith(
        "::warning title=slipway D01::The models"
    )


def test_without_findings_nothing_is_printed(proof):
    assert annotations(replace(proof, findings=())) == ""


@pytest.mark.parametrize("file", ["a,line=1.py", "a:b.py", "100%.py", "%2C.py"])
def test_an_odd_file_is_named_as_it_is(proof, file):
    ((_, properties, _),) = commands(annotations(replace(proof, findings=(replace(proof.findings[0], file=file),))))
    assert properties == {"file": file, "line": "10", "title": "slipway M03"}


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_starts_no_command_of_its_own(proof, text):
    check(proof, text)


@many
@given(text=st.text(st.characters() | st.sampled_from("\r\n:%,=#[]")))
def test_any_text_at_all_starts_no_command_of_its_own(proof, text):
    check(proof, text)


def check(proof, text):
    log = annotations(replace(proof, findings=(finding(text), finding(f"a{text}b"))))
    found = list(commands(log))
    assert len(log.splitlines()) == 2
    assert [name for name, _, _ in found] == ["error", "error"]
    assert all(set(properties) <= {"file", "line", "title"} for _, properties, _ in found)
    assert all((said["line"], said["title"]) == ("3", "slipway L01") for _, said, _ in found)
