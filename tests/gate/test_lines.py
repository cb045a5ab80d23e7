from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.gate.measure.catalog import Change, Line, fingerprint

LINES = st.lists(
    st.builds(Line, st.sampled_from(["table", "index"]), st.sampled_from("ab"), st.sampled_from(["", "x"]))
)

few = settings(max_examples=30)  # the world of lines is small


def total(lines):
    return sum(line.number() for line in lines)


@few
@given(LINES, LINES, LINES)
def test_two_changes_in_a_row_are_the_change_from_the_first_to_the_last(first, second, third):
    assert Change.between(first, second).then(Change.between(second, third)) == Change.between(first, third)


@few
@given(LINES, LINES, LINES, LINES)
def test_it_does_not_matter_how_changes_are_grouped(one, two, three, four):
    first, second, third = Change.between(one, two), Change.between(two, three), Change.between(three, four)
    assert first.then(second).then(third) == first.then(second.then(third))


@few
@given(LINES, LINES)
def test_a_change_and_its_opposite_are_no_change(before, after):
    assert not Change.between(before, after).then(Change.between(after, before))


@few
@given(LINES)
def test_there_is_no_change_between_a_catalog_and_itself(lines):
    assert Change.between(lines, reversed(lines)) == Change()


@few
@given(LINES, LINES)
def test_the_number_of_a_change_leads_from_one_fingerprint_to_the_other(before, after):
    assert fingerprint(total(before) + Change.between(before, after).number) == fingerprint(total(after))


@few
@given(LINES, LINES)
def test_a_change_never_adds_what_it_removes(before, after):
    change = Change.between(before, after)
    assert not set(change.added) & set(change.removed)


def test_a_line_that_occurs_twice_and_then_once_was_removed_once():
    line = Line("comment", "table a", "said")
    assert Change.between([line, line], [line]) == Change(removed=(line,))


def test_a_line_reads_as_a_sentence():
    assert str(Line("column", "public.notes.title", "text not null")) == "column public.notes.title text not null"
    assert str(Line("table", "public.notes", "")) == "table public.notes"


def test_a_fingerprint_tells_kind_name_and_definition_apart():
    lines = [Line("a", "b", "c"), Line("ab", "", "c"), Line("a", "bc", ""), Line("", "a", "bc")]
    assert len({fingerprint(line.number()) for line in lines}) == len(lines)
