import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from slipway.records.form import to_json
from slipway.records.ledger import History, Release, Situation
from slipway.records.migration import Migration, Readiness
from slipway.records.outcome import Diagnosis, Examination, Outcome, Status
from slipway.records.plan import Action, FieldChange, Observed, Plan, State
from slipway.records.refusal import Refusal
from slipway.report import proof_html, proof_text, rehearsal_text, release_markdown, release_text
from slipway.report.files import of_proof, of_rehearsal, write
from slipway.report.github import step_outputs
from slipway.report.markdown import fenced
from slipway.report.proof_junit import junit
from slipway.report.proof_markdown import markdown
from slipway.report.rehearsal_html import html
from slipway.untrusted import one_line, printable

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b[2J\x1b[1;1H",
    "\x1b]8;;https://evil.example\x07click\x1b]8;;\x07",
    "\x1b]0;title\x1b\\",
    "\x1bPdevice\x1b\\",
    "\x1b\x1b[[31m",
    "\x9b31m",
    "passed\rfailed",
    "\b\b\b\x7f",
    "\x00",
    "\x85\u2028\u2029\x0b\x0c",
    "\ud800\udfff",
    "\uffff\ufffe",
    "\u202egpj.exe",
    "\u2066a\u2069\u061c\u200f",
    "pass\u200bword\ufeff\u2060",
    "line\n# heading\n\n- item\n\n    code",
    "- item",
    "1. item",
    "---",
    "> quote",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "' onload='alert(1)\" onload=\"alert(1)",
    "</pre></td></article></body><h1>",
    "]]>",
    "<!-- a",
    "a -->",
    "<?xml?>",
    "&lt;script&gt;&amp;&#60;",
    "&#64;octocat",
    "{{ 7 * 7 }}{% for %}{# #}",
    "```\n# heading\n```",
    "`````````\n~~~",
    "a ` b `` c",
    "~~~\n# heading",
    "| a | b |\n|---|---|\n| c | d |",
    "*bold* _leaning_ ~~gone~~",
    "[link](https://evil.example) ![image](https://evil.example/x.png)",
    "<https://evil.example> https://evil.example www.evil.example me@evil.example",
    "[a]: https://evil.example",
    "@octocat @octo/team #12 octo/repo#12",
    "\\@octocat \\` \\",
    "%s {0} $HOME",
    "::error file=a.py,line=1::it failed",
    "one\n \t::set-output name=live::sha256:1",
    "##[set-output name=live]sha256:1",
    "one ###[add-mask]a",
    "#\x00#[add-mask]a",
    "\x1b[0m::stop-commands::a",
    "",
]
ANY_TEXT = st.text(st.characters(), max_size=80) | st.sampled_from(HOSTILE)  # a page folds longer SQL
UNSEEN = set("\u061c\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
DIRECTION = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

hostile = pytest.mark.parametrize("text", HOSTILE, ids=ascii)
# The fixtures are records, which no example can change.
many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def planted(value, text):
    """A record with the text in every place where a text may stand; something harmless follows, so that no place is empty."""
    if isinstance(value, str):
        return f"{text} end"
    if isinstance(value, tuple):
        return tuple(planted(item, text) for item in value)
    if isinstance(value, Mapping):
        return {planted(key, text): planted(item, text) for key, item in value.items()}
    if is_dataclass(value):
        return replace(value, **{field.name: planted(getattr(value, field.name), text) for field in fields(value)})
    return value


def is_harmless(text, also="\n\t"):
    """Whether nothing in it is a command to a terminal or to GitHub's runner, cannot be seen, or turns the direction of what follows."""
    obeyed = "##[" in text or any(re.match(r"\s*::[\w-]+( .*)?::", line) for line in text.split("\n"))
    return not obeyed and all(
        char in also
        or (
            unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")
            and unicodedata.bidirectional(char) not in DIRECTION
            and char not in UNSEEN
        )
        for char in text
    )


class Tags(HTMLParser):
    """The tags of a page with their attributes, and what is said outside of code."""

    def __init__(self, page):
        super().__init__()
        self.seen, self.words, self.code = [], "", 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, attrs))
        self.code += tag == "pre"

    def handle_endtag(self, tag):
        self.seen.append(f"/{tag}")
        self.code -= tag == "pre"

    def handle_comment(self, data):
        self.seen.append("comment")

    def handle_data(self, data):
        self.words += "" if self.code else data


def rendered(text):
    return Tags(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


def check_terminal(render, record, text):
    said = render(planted(record, text))
    assert is_harmless(said)
    # A remedy may have several lines; they stand apart by what is in front of them.
    ours = [line for line in said.split("\n") if not line.startswith(" " * 12)]
    assert len(ours) == len([line for line in render(planted(record, "")).split("\n") if not line.startswith(" " * 12)])


def check_junit(proof, text):
    suite = ET.fromstring(junit(planted(proof, text)))
    expected = ET.fromstring(junit(planted(proof, "")))
    assert [element.tag for element in suite.iter()] == [element.tag for element in expected.iter()]
    assert all(
        is_harmless(said)
        for element in suite.iter()
        for said in (*element.attrib.values(), element.text or "", element.tail or "")
    )
    cases = suite.findall("testcase")
    assert suite.get("tests") == str(len(cases))
    assert suite.get("failures") == str(sum(case.find("failure") is not None for case in cases))


def check_markdown(render, record, text):
    said = render(planted(record, text))
    assert is_harmless(said)
    page = rendered(said)
    assert page.seen == rendered(render(planted(record, ""))).seen
    assert not re.search(r"[@#]\w|://|www\.", page.words)


def check_html(render, record, text):
    page = render(planted(record, text))
    assert is_harmless(page)
    assert Tags(page).seen == Tags(render(planted(record, ""))).seen


@hostile
def test_a_proof_for_a_terminal_is_harmless(proof, text):
    check_terminal(proof_text.text, proof, text)


@hostile
def test_a_proof_as_junit_is_valid_xml_whose_counts_agree(proof, text):
    check_junit(proof, text)


@hostile
def test_a_proof_as_markdown_has_no_more_in_it_than_was_put_there(proof, text):
    check_markdown(markdown, proof, text)


@hostile
def test_a_proof_as_a_page_has_no_tag_that_is_not_ours(proof, branched, text):
    check_html(proof_html.html, proof, text)
    check_html(proof_html.html, branched, text)


@hostile
def test_a_rehearsal_for_a_terminal_is_harmless(rehearsal, text):
    check_terminal(rehearsal_text.text, rehearsal, text)


@hostile
def test_a_rehearsal_as_a_page_has_no_tag_that_is_not_ours(rehearsal, text):
    check_html(html, rehearsal, text)


PLAN = Plan(
    environment="",
    service="",
    image="",
    action=Action.UPDATE,
    changes=(FieldChange("", "", ""),),
    fingerprint="",
    reason="why",
)
OBSERVED = Observed(arn="", url="", status="", state=State.LIVE, digest="", fields={"": ""}, operation="")
OUTCOME = Outcome(
    environment="",
    service="",
    status=Status.ROLLED_BACK,
    requested="",
    live="",
    url="",
    seconds=1.0,
    operation="",
    diagnosis=Diagnosis("", "", ("", ""), ""),
    number=7,
    migration=Migration(before=("",), after=("",), applied=("",), attempts=1, seconds=1.0),
)


HISTORY = History(
    "",
    (
        Release(
            environment="",
            number=7,
            image="",
            status=Status.CREATE_FAILED,
            live="",
            operation="",
            ended=0,
            seconds=1.0,
            cause="",
            risk="",
        ),
    ),
    (8,),
)
SITUATION = Situation(
    environment="",
    observed=OBSERVED,
    live=HISTORY.releases[0],
    newest=replace(HISTORY.releases[0], number=8),
    unfinished=(9,),
    readiness=Readiness(("",), ("",), ""),
    unseen="",
)
EXAMINATION = Examination("", "", "", OUTCOME.diagnosis)
REFUSAL = Refusal("", "", 1)
each_release = pytest.mark.parametrize(
    ("name", "record"),
    [
        ("of_plan", PLAN),
        ("of_situation", SITUATION),
        ("of_outcome", OUTCOME),
        ("of_history", HISTORY),
        ("of_examination", EXAMINATION),
    ],
    ids=["plan", "situation", "outcome", "history", "examination"],
)


def of_a_release(module, name):
    return getattr(module, name)


@hostile
@each_release
def test_a_release_for_a_terminal_is_harmless(name, record, text):
    check_terminal(of_a_release(release_text, name), record, text)


@hostile
@each_release
def test_a_release_as_markdown_has_no_more_in_it_than_was_put_there(name, record, text):
    check_markdown(of_a_release(release_markdown, name), record, text)


@hostile
def test_an_error_as_markdown_has_no_more_in_it_than_was_put_there(text):
    check_markdown(release_markdown.of_refusal, REFUSAL, text)


@many
@given(text=ANY_TEXT)
def test_any_text_at_all_is_harmless_in_an_outcome(text):
    check_terminal(release_text.of_outcome, OUTCOME, text)
    check_markdown(release_markdown.of_outcome, OUTCOME, text)


@hostile
def test_what_a_job_is_told_is_one_output_whatever_is_in_it(text):
    outputs = {"status": f"{text} end", "live": "sha256:1"}
    lines = step_outputs(outputs, "slipway-1").split("\n")
    assert lines[0] == "status<<slipway-1"
    assert lines[-5:] == ["slipway-1", "live<<slipway-1", "sha256:1", "slipway-1", ""]
    assert is_harmless("\n".join(lines))


@hostile
def test_json_keeps_it_all_and_is_plain_ascii(proof, text):
    said = to_json(planted(proof, text))
    assert said.isascii()
    assert is_harmless(said)
    if text != "\ud800\udfff":  # JSON makes one character of the two halves
        assert json.loads(said)["postgres"] == f"{text} end"


@hostile
def test_every_report_can_be_written_to_a_file(proof, rehearsal, tmp_path, text):
    files = of_proof(planted(proof, text)) | of_rehearsal(planted(rehearsal, text))
    write(tmp_path, files)
    assert {file.name for file in tmp_path.iterdir()} == set(files)


@many
@given(text=ANY_TEXT)
def test_any_text_at_all_is_harmless_in_a_proof(proof, text):
    check_terminal(proof_text.text, proof, text)
    check_junit(proof, text)
    check_markdown(markdown, proof, text)
    check_html(proof_html.html, proof, text)


@many
@given(text=ANY_TEXT)
def test_any_text_at_all_is_harmless_in_a_rehearsal(rehearsal, text):
    check_terminal(rehearsal_text.text, rehearsal, text)
    check_html(html, rehearsal, text)


@given(code=st.text(st.sampled_from("`~ \n\tx#<")))
def test_a_fence_holds_any_code(code):
    assert rendered(f"{fenced(code)}\n\nafter").seen == rendered(f"{fenced('x')}\n\nafter").seen


@given(text=ANY_TEXT)
def test_printable_text_holds_nothing_but_characters_that_show(text):
    assert is_harmless(printable(text))
    printable(text).encode()


@given(text=ANY_TEXT)
def test_what_is_printable_is_left_alone(text):
    assert printable(printable(text)) == printable(text)


@given(text=st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]) | st.sampled_from("\n\t")))
def test_ordinary_text_is_printed_as_it_is(text):
    assume("##[" not in text and "::" not in text)
    assert printable(text) == text


@given(text=ANY_TEXT, longest=st.integers(1, 40))
def test_one_line_is_one_line_and_no_longer_than_it_may_be(text, longest):
    line = one_line(text, longest)
    assert len(line) <= longest
    assert is_harmless(line, also="")
    assert line == " ".join(line.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\x1b[1;31merror\x1b[0m: no", "error: no"),
        ("\x1b]8;;https://a.example\x1b\\here\x1b]8;;\x1b\\", "here"),
        ("one\r\ntwo\rthree\tfour", "one\ntwothree\tfour"),
        ("gpj\u202eexe.", "gpjexe."),
        ("naïve 日本 ☃ 🙂", "naïve 日本 ☃ 🙂"),
        ("SELECT 1\n    ::int, a::text::varchar", "SELECT 1\n    ::int, a::text::varchar"),
        ("  ::add-mask::a", "  : :add-mask::a"),
        ("a ##[add-mask]b", "a ## [add-mask]b"),
    ],
)
def test_text_is_made_printable(text, said):
    assert printable(text) == said


@pytest.mark.parametrize(
    ("text", "longest", "line"),
    [("  one \n\n two\t", 300, "one two"), ("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("", 300, "")],
)
def test_text_is_made_one_line(text, longest, line):
    assert one_line(text, longest) == line
