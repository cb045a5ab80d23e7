import json
import pkgutil
import re
import unicodedata
import xml.etree.ElementTree as ET
from functools import cache
from html.parser import HTMLParser
from itertools import islice

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from slipway import report
from slipway.records.form import to_json
from slipway.records.plan import Plan
from slipway.records.proof import Proof
from slipway.records.rehearsal import Rehearsal
from slipway.report.answers.result import CommandResult, step_outputs
from slipway.report.files import of_plan, of_proof, of_rehearsal, write
from slipway.report.format import fenced
from slipway.untrusted import one_line, printable
from tests.report.filled import filled, is_record, records_of, renderers

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
    """The tags of a page with their attributes, and the words outside of code."""

    def __init__(self, page):
        super().__init__()
        self.seen, self.words, self.code = [], "", 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append(
            (tag, [(name, re.sub(r"^services/[\w%.~/-]+/", "services/", value or "")) for name, value in attrs])
        )
        self.code += tag == "pre"

    def handle_endtag(self, tag):
        self.seen.append(f"/{tag}")
        self.code -= tag == "pre"

    def handle_comment(self, data):
        self.seen.append("comment")

    def handle_data(self, data):
        self.words += "" if self.code else data


@cache
def rendered(text):
    return Tags(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


RENDERERS = renderers()
# Their text is a document of its own, or ends with one: its lines are as many as it has.
DOCUMENTS = {
    "adoption.of_adoption",
    "answers.adopt.of_adoption",
    "answers.account.of_permissions",
    "proof.text.explained",
    "lines.lines",
}


def printed(name, text, records=None):
    """The reports that a renderer makes of its first records, each with the language it is written in."""
    function, kinds = RENDERERS[name]
    (place,) = (place for place, kind in enumerate(kinds) if is_record(kind))
    for record in islice(records_of(kinds[place], text), records):
        result = function(*(record if at == place else filled(kind, text) for at, kind in enumerate(kinds)))
        if isinstance(result, CommandResult):
            yield "text", result.text
            yield "markdown", result.markdown
            return  # its parts are renderers themselves, whose other records are checked
        yield language_of(name), "\n".join(result) if isinstance(result, list) else result


def language_of(name):
    if name.endswith(".comment"):
        return "markdown"
    return next((form for form in ("markdown", "page", "junit", "sarif", "annotations") if form in name), "text")


def skeleton(language, said):
    """The part of a report that is the same whatever the text is."""
    if language == "markdown":
        return rendered(said).seen
    if language == "page":
        return Tags(said).seen
    if language == "junit":
        return [element.tag for element in ET.fromstring(said).iter()]
    if language == "sarif":
        return keys(json.loads(said))
    # A remedy may have several lines, which are indented further than our own.
    return len([line for line in said.split("\n") if not line.startswith(" " * 12)])


def keys(data):
    if isinstance(data, dict):
        return {key: keys(value) for key, value in data.items()}
    return [keys(item) for item in data] if isinstance(data, list) else type(data)


@cache
def skeletons(name):
    return [skeleton(language, said) for language, said in printed(name, "")]


def check_report(name, text, records=None):
    for (language, said), expected in zip(printed(name, text, records), skeletons(name), strict=records is None):
        ours = r"^::error title=slipway::" if language == "annotations" else "^$"
        assert is_harmless(re.sub(ours, "", said, flags=re.MULTILINE)), (language, said)
        assert name in DOCUMENTS or skeleton(language, said) == expected, language
        if language == "markdown":
            assert not re.search(r"[@#]\w|://|www\.", rendered(said).words)


SLOW = {"proof.page.page"}  # draws the whole page for each text
NAMES = [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in sorted(RENDERERS)]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_text_is_harmless_in_every_report(name):
    for number, text in enumerate(HOSTILE):
        check_report(name, text, None if number % 16 == 0 else 1)  # a few in records that lack one part each, too


@settings(max_examples=10)
@given(text=ANY_TEXT, name=st.sampled_from(sorted(RENDERERS)))
def test_any_text_is_harmless_in_every_report(name, text):
    check_report(name, text)


def test_every_module_of_reports_has_a_renderer_that_is_checked():
    shared = {"answers", "answers.result", "colour", "files", "format", "proof", "terminal"}
    views = {"proof.lock_lanes", "proof.revision_graph"}
    modules = {
        info.name.removeprefix("slipway.report.") for info in pkgutil.walk_packages(report.__path__, "slipway.report.")
    }
    assert {name.rpartition(".")[0] for name in RENDERERS} == modules - shared - views


def test_a_step_output_is_one_output_whatever_its_text():
    for text in HOSTILE:
        lines = step_outputs({"status": f"{text} end", "live": "sha256:1"}, "slipway-1").split("\n")
        assert lines[0] == "status<<slipway-1"
        assert lines[-5:] == ["slipway-1", "live<<slipway-1", "sha256:1", "slipway-1", ""]
        assert is_harmless("\n".join(lines))


def test_json_keeps_every_character_and_is_plain_ascii():
    for text in HOSTILE:
        said = to_json(filled(Proof, text))
        assert said.isascii()
        assert is_harmless(said)
        if text != "\ud800\udfff":  # JSON makes one character of the two halves
            assert json.loads(said)["postgres"] == f"{text} end"


@pytest.mark.slow
def test_every_report_can_be_written_to_a_file(tmp_path):
    for text in HOSTILE:
        files = of_proof(filled(Proof, text)) | of_rehearsal(filled(Rehearsal, text)) | of_plan(filled(Plan, text))
        write(tmp_path, files)
        assert {file.name for file in tmp_path.iterdir()} == set(files)


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
