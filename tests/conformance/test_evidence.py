import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.conformance.expectations import every, evidence
from slipway.records.conformance import AWS, Conformance, ConformanceVerdict

DOCS = Path(__file__).parents[2] / "docs"
SUBJECT = "PauseService of CREATE_FAILED"


def report(
    day: str = "2027-01-31",
    verdict: ConformanceVerdict = ConformanceVerdict.CONFIRMED,
    against: str = AWS,
    **changes: str,
) -> Conformance:
    """A report that has seen one cell."""
    finding = next(expected for expected in every() if expected.subject == SUBJECT)
    finding = replace(finding, verdict=verdict, **changes)
    return Conformance(
        against=against,
        region="eu-west-1",
        day=day,
        botocore="1.44.5",
        image="an image",
        seconds=60.0,
        findings=(finding,),
    )


@pytest.mark.parametrize("verdict", [ConformanceVerdict.CONFIRMED, ConformanceVerdict.DIFFERS])
def test_what_an_account_has_answered_is_shown(verdict):
    assert evidence([report(verdict=verdict)]) == {SUBJECT: verdict}


def test_the_newest_report_counts():
    older, newer = report("2027-01-31"), report("2027-02-01", ConformanceVerdict.DIFFERS)
    assert evidence([newer, older]) == {SUBJECT: ConformanceVerdict.DIFFERS}


@pytest.mark.parametrize(
    "worthless",
    [
        report(against="an emulator"),
        report(verdict=ConformanceVerdict.NOT_REACHED),
        report(expected="answers"),
        report(subject="nothing"),
    ],
)
def test_a_stand_in_a_cell_that_was_not_reached_and_another_expectation_show_nothing(worthless):
    assert evidence([worthless]) == {}


def test_a_cell_loses_its_mark_in_the_documentation_by_evidence_alone(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(DOCS)])
    spec = importlib.util.spec_from_file_location("simulator_tables", DOCS / "simulator_tables.py")
    written = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(written)

    def row(verdicts):
        return next(line for line in written.tables(verdicts).splitlines() if line.startswith("| PauseService"))

    assert row({}).count("InvalidState †") == 3
    assert row(evidence([report()])).count("InvalidState †") == 2
    assert "InvalidState [A]" in row(evidence([report()]))
    assert "InvalidState †, an account differs" in row(evidence([report(verdict=ConformanceVerdict.DIFFERS)]))
