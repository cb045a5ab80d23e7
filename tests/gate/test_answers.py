"""Findings with one answer are one, in the words and at the level of all; the others stay in the proof, suppressed."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from slipway.gate.findings.answers import joined
from slipway.gate.rulebook import rule_named
from slipway.gate.rulebook.rows import FAILS_BY_CODE
from slipway.records.proof import Level

UNIQUE = FAILS_BY_CODE["23505"]


def found(rule, line, revision="r1", remedy=None):
    node = SimpleNamespace(id=revision, file=f"{revision}.py", old=None, upgrade_line=9)
    return rule_named(rule).finding(node, f"fact {rule} {line}", line, remedy)


def shown(findings):
    return [each for each in joined(findings) if each.suppressed is None]


@pytest.mark.parametrize(
    ("head", "part", "remedy"),
    [
        (("L10", 5), ("D01", 5, "r1", FAILS_BY_CODE["23502"]), ""),
        (("L10", 5), ("C06", 5), ""),
        (("L04", 5), ("D01", 5, "r1", UNIQUE), f"# {UNIQUE}\n"),
        (("L08", 5), ("D08", 5), '# with ondelete="RESTRICT" unless'),
        (("L11", 5), ("D05", 5), ""),
        (("C02", 5), ("D03", 6), ""),
        (("R03", 20), ("R04", 9), ""),
        (("Q01", 5), ("Q03", 7, "r2"), ""),
    ],
    ids=lambda each: each[0] if isinstance(each, tuple) else "",
)
def test_a_consequence_is_part_of_the_finding_whose_remedy_answers_it(head, part, remedy):
    one, other = found(*head), found(*part)
    (both,) = shown([other, one])
    assert (both.rule, both.revision) == (one.rule, one.revision)
    assert {*both.revisions} == {one.revision, other.revision}
    assert both.measured.startswith(one.measured)
    assert other.measured in both.measured
    assert other.message in both.message or other.rule[0] == "Q"
    assert both.remedy.startswith(remedy)
    assert [(each.rule, each.suppressed) for each in joined([other, one])][1:] == [
        (other.rule, f"answered by the remedy of {one.rule}")
    ]


def test_it_has_the_worst_level_and_is_apart_from_an_allowed_one():
    drop, loss = found("C02", 5), replace(found("D03", 5), level=Level.ERROR)
    (both,) = shown([loss, replace(drop, level=Level.WARNING)])
    assert both.level is Level.ERROR
    assert both.remedy.endswith("Have a backup at hand then.")
    assert [each.rule for each in shown([loss, replace(drop, suppressed="allowed")])] == ["D03"]
    assert [each.rule for each in shown([loss, found("C02", 5, "r2")])] == ["D03", "C02"]


def test_the_parts_of_folded_findings_are_all_named():
    (both,) = shown([found("L10", 5), found("L10", 7), found("D01", 7, "r1", FAILS_BY_CODE["23502"])])
    assert both.measured == "fact L10 5; and 1 more on line 7. D01: fact D01 7"
    long = replace(found("Q01", 5), measured="x" * 300)
    (both,) = shown([long, found("Q08", 7, "r2")])
    assert both.measured.startswith(f"{long.measured}. Q08 (")


def test_a_habit_of_the_project_is_one_finding_and_two_of_a_kind_are_two():
    stuck = [replace(found("T03", 5, f"r{number}"), measured=f"x{number} already exists") for number in range(4)]
    once, other = shown([*stuck, replace(found("T03", 5, "r4"), measured="column y does not exist")])
    assert (once.revisions, other.revision) == (("r0", "r1", "r2", "r3"), "r4")
    assert len(shown(stuck[:2])) == 2
    assert len(shown([found("R05", 5), found("R05", 5, "r2")])) == 1
    indexes = [
        replace(found("drift", 5, f"r{n}"), measured=f"only the migrations have index i{n} CREATE INDEX i{n} …")
        for n in range(3)
    ]
    (drift,) = shown(indexes)
    assert (drift.measured[:2], drift.also) == ("3:", ("r1", "r2"))
    assert len(shown([*indexes[:2], found("drift", 6, "r2")])) == 3
    (both,) = shown([found("T02", 4), found("T03", 5)])
    assert (both.rule, both.remedy.splitlines()[0]) == (
        "T03",
        "# Move the autocommit block into a revision of its own.",
    )
