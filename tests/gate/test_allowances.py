"""`# slipway: allow …` in a revision's file."""

from datetime import date

import pytest

from slipway.gate.findings.allowances import Allowance, Unreadable, read
from slipway.gate.prove import prove
from slipway.gate.rulebook import ALLOWABLE
from slipway.records.proof import Layer, Level, Verdict
from tests.gate.conftest import question

LAYERS = (Layer.TRACE,)
TODAY = date(2027, 1, 31)
ALLOW = "# slipway: allow L01 because it is small"
TODAY_STILL = "# slipway: allow L01 until=2027-01-31 because it is small"
YESTERDAY = "# slipway: allow L01 until=2027-01-30 because it is small"
INDEX = "op.create_index('ix', 'a', ['id'])"
LONG_INDEX = "op.create_index(\n    'ix',\n    'a',\n    ['id'],\n)"
BASE = {"one": (None, "op.create_table('a', sa.Column('id', sa.Integer()))", "op.drop_table('a')")}


def only(text):
    (found,) = read(text.encode(), ALLOWABLE)
    return found


@pytest.mark.parametrize(
    ("comment", "rules", "until", "reason"),
    [
        ("# slipway: allow L08 until=2027-01-31 because it is small", ("L08",), TODAY, "it is small"),
        ("# slipway: allow L08 because it is small", ("L08",), None, "it is small"),
        ("#slipway:allow L08,L01 , drift because: it is #3", ("L08", "L01", "drift"), None, "it is #3"),
        ("# noqa: E501  # slipway: allow L08 because it is small", ("L08",), None, "it is small"),
        ("# slipway: allow L08 because it is small  # noqa: E501", ("L08",), None, "it is small"),
    ],
)
def test_a_comment_names_rules_a_last_day_and_a_reason(comment, rules, until, reason):
    assert only(comment) == Allowance(line=1, lines=None, rules=rules, until=until, reason=reason)


@pytest.mark.parametrize(
    ("comment", "problem"),
    [
        ("allow L08", "the reason for allowing L08 is missing"),
        ("allow L08 because", "the reason for allowing L08 is missing"),
        ("allow L08, L99 because it is small", "there is no rule L99 that can be allowed"),
        ("allow A01 because it is small", "there is no rule A01 that can be allowed"),
        ("allow L08 until=2027-02-30 because it is small", "until=2027-02-30 is not a date like 2027-01-31"),
        ("allow L08 until=20270131 because it is small", "until=20270131 is not a date like 2027-01-31"),
        ("allow L08 until= because it is small", "until= is not a date like 2027-01-31"),
        ("allow because it is small", "cannot read `allow because it is small`"),
        ("allow L08 it is small", "cannot read `allow L08 it is small`"),
        ("permit L08 because it is small", "cannot read `permit L08 because it is small`"),
    ],
)
def test_a_comment_that_cannot_be_read_has_a_reason(comment, problem):
    assert only(f"# slipway: {comment}") == Unreadable(1, problem)


@pytest.mark.parametrize("text", [f"x = '{ALLOW}'", f'x = """\n{ALLOW}\n"""', ALLOW.replace("slipway", "of slipway")])
def test_text_that_only_looks_like_a_comment_to_slipway_is_ignored(text):
    assert read(text.encode(), ALLOWABLE) == ()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"def upgrade():\n    {INDEX}  {ALLOW}\n    pass\n", (2, 2)),
        (f"def upgrade():\n    {ALLOW}\n    {INDEX}\n    pass\n", (3, 3)),
        (f"def upgrade():\n    {ALLOW}\n    # and more\n    op.f(\n        1,\n    )\n    pass\n", (4, 6)),
        (f"def upgrade():\n    op.f(\n        {ALLOW}\n        1,\n    )\n    pass\n", (2, 5)),
        (f"def upgrade():\n    op.f(\n        1,\n    )  {ALLOW}\n    pass\n", (2, 4)),
        (f"def upgrade():\n{ALLOW}\n    {INDEX}\n", (3, 3)),
        (f"def upgrade():\n    with x:\n        pass\n    {ALLOW}\n    {INDEX}\n", (5, 5)),
        (f"def upgrade():\n    with x:\n        {ALLOW}\n        {INDEX}\n", (4, 4)),
        (f"def downgrade():  {ALLOW}\n    pass\n", (1, 1)),
    ],
    ids=[
        "on its line",
        "above a call of many lines, with a comment in between",
        "above",
        "in it",
        "behind its last line",
        "above, but not indented",
        "above, after a block",
        "above, at the beginning of a block",
        "on the line of a function",
    ],
)
def test_a_comment_applies_to_the_statement_on_its_line_or_below_it(text, lines):
    assert only(text).lines == lines


@pytest.mark.parametrize(
    "text",
    [
        f"{ALLOW}\nrevision = 'a'\n",
        f"{ALLOW}\n\nrevision = 'a'\n",
        f"revision = 'a'  {ALLOW}\n",
        f"import x\n\n\n{ALLOW}\ndef upgrade():\n    pass\n",
        f"def upgrade():\n    pass\n\n{ALLOW}\n",
        f"def upgrade():\n    pass\n\n{ALLOW}",
    ],
)
def test_a_comment_at_the_top_level_applies_to_the_whole_revision(text):
    assert only(text).lines is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"def upgrade():\n    {ALLOW}\n\n    {INDEX}\n", 2),
        (f"def upgrade():\n    {INDEX}\n    {ALLOW}\n", 3),
        (f"def upgrade():\n    {INDEX}\n    {ALLOW}\ndef downgrade():\n    pass\n", 3),
    ],
    ids=["an empty line below", "nothing below", "another block below"],
)
def test_a_comment_with_no_statement_right_below_applies_to_its_own_line(text, line):
    assert only(text).lines == (line, line)


def with_index(comment, index=INDEX):
    """A history in which the comment is on line 10 and an index is built on line 11."""
    return BASE | {"two": ("one", f"{comment}\n{index}", "op.drop_index('ix', 'a')")}


@pytest.mark.parametrize("index", [INDEX, LONG_INDEX], ids=["one line", "many lines"])
def test_an_allowed_finding_stays_in_the_proof_and_does_not_fail_it(prove_history, index):
    proof = prove_history(with_index(TODAY_STILL, index), today=TODAY)
    (finding,) = proof.findings
    assert (finding.rule, finding.level, finding.line) == ("L01", Level.ERROR, 11)
    assert finding.suppressed == "allowed until 2027-01-31: it is small"
    assert proof.verdict is Verdict.PASS


def test_without_a_last_day_a_comment_applies_forever(prove_history):
    (finding,) = prove_history(with_index(ALLOW), today=date.max).findings
    assert finding.suppressed == "allowed: it is small"


def test_after_its_last_day_a_comment_does_not_apply_and_the_finding_mentions_it(prove_history):
    proof = prove_history(with_index(YESTERDAY), today=TODAY)
    (finding,) = proof.findings
    assert finding.fails
    assert finding.measured.endswith("; line 10 allowed it until 2027-01-30")


def test_one_valid_comment_is_enough(prove_history):
    (finding,) = prove_history(with_index(f"{YESTERDAY}\n{TODAY_STILL}"), today=TODAY).findings
    assert finding.suppressed == "allowed until 2027-01-31: it is small"


def test_a_comment_on_one_statement_allows_no_other(prove_history):
    both = f"{ALLOW}\n{INDEX}\nop.create_index('iy', 'a', ['id'])"
    proof = prove_history(BASE | {"two": ("one", both, "op.drop_index('ix', 'a')\nop.drop_index('iy', 'a')")})
    assert [(finding.rule, finding.line, finding.fails) for finding in proof.findings] == [
        ("L01", 12, True),
        ("L01", 11, False),
    ]


def test_a_batch_of_operations_is_allowed_where_it_begins(prove_history):
    batch = f"with op.batch_alter_table('a') as table:  {ALLOW}\n    table.create_index('ix', ['id'])"
    (finding,) = prove_history(BASE | {"two": ("one", batch, "op.drop_index('ix', 'a')")}).findings
    assert finding.suppressed == "allowed: it is small"


def test_at_the_top_level_a_comment_suppresses_findings_of_the_whole_revision(write_project, server_url):
    config = write_project(BASE | {"two": ("one", INDEX, "")})
    with (config.parent / "migrations/versions/two.py").open("a") as file:
        file.write("\n# slipway: allow L01, R01 because it is small\n")
    proof = prove(question(config, layers=LAYERS), server_url)
    assert {finding.rule: finding.suppressed for finding in proof.findings} == {
        "L01": "allowed: it is small",
        "R01": "allowed: it is small",
    }


def test_an_unused_comment_is_a_warning(prove_history):
    proof = prove_history(with_index(ALLOW.replace("L01", "L01, L08")))
    unused, allowed = proof.findings
    assert (unused.rule, unused.level, unused.line) == ("A01", Level.WARNING, 10)
    assert unused.measured == "there is no L08 on line 11"
    assert (allowed.rule, allowed.fails) == ("L01", False)
    assert proof.verdict is Verdict.PASS


def test_an_unused_comment_in_an_old_revision_is_ignored(prove_history):
    assert prove_history(BASE | {"two": ("one", f"{ALLOW}\npass", "")}, start_after="two").findings == ()


@pytest.mark.parametrize(
    "revisions",
    [
        {"one": (None, f"{ALLOW}\nop.drop_table('gone')", "")},
        {"one": (None, "op.drop_table('gone')", ""), "two": ("one", f"{ALLOW}\n{INDEX}", "")},
        {"one": (None, f"{ALLOW.replace('L01', 'R03')}\nop.create_table('a')", "op.drop_table('gone')")},
    ],
    ids=["it fails", "it is not reached", "its downgrade fails"],
)
def test_a_comment_in_a_revision_that_did_not_run_is_not_called_unused(prove_history, revisions):
    assert "A01" not in {finding.rule for finding in prove_history(revisions).findings}


def test_a_comment_may_be_unused_in_a_revision_without_a_downgrade(prove_history):
    proof = prove_history({"one": (None, f"{ALLOW}\nop.create_table('a')", "raise NotImplementedError")})
    assert {finding.rule for finding in proof.findings} == {"A01", "R06"}


ALLOWS_DRIFT = {"one": (None, "# slipway: allow drift because it is old\nop.create_table('a')", "op.drop_table('a')")}


def test_drift_may_be_allowed_where_models_are_not_compared(prove_history):
    assert prove_history(ALLOWS_DRIFT).findings == ()


def test_a_comment_on_drift_is_unused_when_the_models_agree(prove_history):
    (finding,) = prove_history(ALLOWS_DRIFT, models="sa.Table('a', metadata)").findings
    assert finding.rule == "A01"


def test_an_unreadable_comment_is_an_error_and_suppresses_nothing(prove_history):
    proof = prove_history(with_index("# slipway: allow L01"))
    said = {(finding.rule, finding.line): finding.measured for finding in proof.failures}
    assert said.keys() == {("A02", 10), ("L01", 11)}
    assert said["A02", 10] == "line 10: the reason for allowing L01 is missing"


def test_an_unreadable_comment_in_an_old_revision_does_not_count(prove_history):
    proof = prove_history(with_index("# slipway: allow L01"), start_after="two")
    assert [(finding.rule, finding.fails) for finding in proof.findings] == [("A02", False)]
