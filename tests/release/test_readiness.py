"""A release's statement about itself at its health path; the text is untrusted."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.records.migration import Readiness
from slipway.release.engine.compatibility import readiness_from


def test_the_reference_services_answer_is_understood():
    answer = {
        "status": "ready",
        "database": "level",
        "database_head": "e73",
        "image_head": "e73",
        "git_revision": "abc",
    }
    assert readiness_from(json.dumps(answer)) == Readiness(("e73",), ("e73",), "abc")


def test_a_database_before_its_first_revision_has_no_head():
    assert readiness_from('{"image_head": "e73", "database_head": null}') == Readiness(("e73",), ())


def test_a_database_that_is_not_reached_is_not_one_without_a_head():
    answer = '{"image_head": "e73", "database_head": null, "database": "unreachable"}'
    assert readiness_from(answer) == Readiness(("e73",), None, unreachable=True)


def test_several_heads_are_a_list():
    assert readiness_from('{"image_head": ["b", "a"]}') == Readiness(("a", "b"))


@pytest.mark.parametrize(
    "answer",
    ["ok", "", "[]", "{}", '{"status": "ready"}', '{"git_revision": "unknown"}', '{"image_head": 7}', "[" * 100000],
)
def test_another_body_is_no_statement(answer):
    assert readiness_from(answer) is None


def test_text_that_is_no_revision_is_not_shown():
    assert readiness_from('{"image_head": "\\u001b[31mred", "git_revision": "<script>"}') is None


@settings(max_examples=25)
@given(
    st.text() | st.dictionaries(st.sampled_from(["image_head", "database_head"]), st.text() | st.none()).map(json.dumps)
)
def test_only_revisions_come_through(answer):
    found = readiness_from(answer) or Readiness()
    assert all(head.isidentifier() or head.isalnum() for heads in (found.image, found.database) for head in heads or ())
