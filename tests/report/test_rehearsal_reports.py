from dataclasses import replace
from html.parser import HTMLParser

import pytest

from slipway.records.form import from_json
from slipway.records.rehearsal import Rehearsal
from slipway.report.files import of_rehearsal
from slipway.report.format import duration
from slipway.report.rehearsal import page as html
from slipway.report.rehearsal import text

TEXT = """\
    act  what happened         here   platform  how it ran
ok  I    SUCCEEDED 0123        5.1 s  4 m 57 s  processes
NO  II   the gate let it pass  1.5 s  -         its own Python

II: measured: nothing
II: instead: nothing

The platform is simulated, and keeps its own time: work here takes none of it, and its waits are skipped. Databases: PostgreSQL 18.1 from this machine.
failed in II: the gate let it pass
"""


class Page(HTMLParser):
    """The tags of a page, and its text by tag."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.said = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1] != "style":
            self.said.append((self.open[-1], " ".join(data.split())))


@pytest.fixture
def passed(rehearsal):
    return replace(rehearsal, acts=rehearsal.acts[:1])


def test_a_rehearsal_for_a_terminal_is_a_table_that_ends_with_the_verdict(rehearsal):
    assert text(rehearsal) == TEXT


def test_a_rehearsal_that_went_as_expected_says_so(passed):
    made_up = replace(passed, stand_ins=("the secrets KEY have made-up values",))
    assert text(made_up).splitlines()[-1] == "passed: every act went as expected"
    assert "Stand-ins: the secrets KEY have made-up values." in text(made_up).splitlines()
    said = Page(html(made_up)).said
    assert ("p", "Stand-ins: the secrets KEY have made-up values.") in said
    assert ("p", "Every act went as expected.") in said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0.0 s"), (5.12, "5.1 s"), (59.9, "59.9 s"), (60, "1 m 00 s"), (297.4, "4 m 57 s"), (3605, "60 m 05 s")],
)
def test_a_duration_from_one_minute_on_is_in_minutes(seconds, said):
    assert duration(seconds) == said


def test_the_page_contains_the_table_and_the_steps(rehearsal):
    said = Page(html(rehearsal)).said
    assert said[:2] == [("title", "notes: a rehearsal"), ("h1", "notes: a rehearsal of the whole way to production")]
    assert ("code", "0123456789ab") in said
    assert ("h2", "I: the release goes to production") in said
    assert ("p", "5.1 s here, 4 m 57 s on the platform; processes") in said
    assert ("p", "1.5 s here; its own Python") in said
    assert ("pre", "measured: nothing instead: nothing") in said
    assert [words for tag, words in said if tag == "td"] == [
        *("built it", "1.0 s", "\N{EN DASH}"),
        *("deployed it", "4.0 s", "4 m 57 s"),
    ]


def test_the_page_has_the_lines_of_the_platform_with_its_time(rehearsal):
    said = [words for tag, words in Page(html(rehearsal)).said if tag == "span"]
    assert said == ["7.2 s", "SHIFT: 5 % of the traffic", "1 m 30 s", "<deployed>"]


def test_the_page_is_complete_and_loads_nothing(rehearsal):
    page = Page(html(rehearsal))
    assert page.open == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "default-src 'none'" in html(rehearsal)


def test_an_act_that_did_not_go_as_expected_is_marked(rehearsal):
    page = html(rehearsal)
    assert page.count('<article class="">') == 1
    assert page.count('<article class="no">') == 1
    assert '<p class="verdict no">failed in II: the gate let it pass</p>' in page


def test_a_failure_that_an_act_expects_is_shown_as_expected_and_not_as_success(passed):
    act = replace(passed.acts[0], happened="ROLLED_BACK 0123", expects_failure=True)
    page = html(replace(passed, acts=(act,)))
    assert '<article class="expected">' in page
    assert '<p class="verdict expected">as expected: ROLLED_BACK 0123</p>' in page
    unexpected = html(replace(passed, acts=(replace(act, passed=False),)))
    assert '<article class="no">' in unexpected
    assert "as expected: ROLLED_BACK" not in unexpected


def test_a_rehearsal_without_steps_is_a_page_too(rehearsal):
    empty = replace(rehearsal, acts=(replace(rehearsal.acts[1], details=()),))
    assert not {"table", "pre"} & set(Page(html(empty)).tags)
    assert "article" not in Page(html(replace(rehearsal, acts=()))).tags


def test_the_files_of_a_rehearsal_are_a_record_a_page_and_a_text(rehearsal):
    files = of_rehearsal(rehearsal)
    assert set(files) == {"rehearsal.json", "rehearsal.html", "rehearsal.txt"}
    assert from_json(Rehearsal, files["rehearsal.json"], "rehearsal.json") == rehearsal
