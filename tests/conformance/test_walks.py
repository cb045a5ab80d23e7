from dataclasses import replace
from pathlib import Path

import pytest

from slipway.conformance import walks
from slipway.conformance.behaviours import PROBES
from slipway.conformance.expectations import cells, every
from slipway.conformance.walks import WALKS, Transition, estimate
from slipway.records.conformance import ConformanceVerdict
from slipway.report.text import of_estimate


def test_the_walks_stand_in_every_state_that_can_be_reached_and_ask_every_call_there():
    asked = [subject for walk in WALKS for leg in walk.legs for subject in leg.subjects()]
    reachable = {cell.subject for cell in cells() if cell.state != "DELETE_FAILED"}
    assert reachable <= set(asked)
    assert len(asked) == len(set(asked))
    assert {subject for subject in asked if " of " not in subject or subject in PROBES} == set(PROBES)


def test_no_two_expectations_have_one_name():
    subjects = [finding.subject for finding in every()]
    assert len(subjects) == len(set(subjects))
    assert [
        finding.subject
        for finding in every()
        if finding.verdict is ConformanceVerdict.OUT_OF_REACH and not finding.seen
    ] == []


def test_the_longest_walk_passes_and_all_are_paid(monkeypatch):
    way = Transition("CreateService", (10, 60))
    monkeypatch.setattr(walks, "WALKS", tuple(replace(walk, creation=way, legs=()) for walk in WALKS))
    found = estimate()
    assert (found.least_minutes, found.most_minutes) == (10, 60)
    assert found.dollars == pytest.approx(3 * (0.25 * 0.064 + 0.5 * 0.007) * 2, abs=0.005)


def test_a_run_of_today_costs_cents():
    assert 0 < estimate().dollars < 0.10
    told = of_estimate(estimate(), "account 123456789012")
    assert "3 App Runner services" in told
    takes = f"takes {estimate().least_minutes} to {estimate().most_minutes} minutes"
    assert takes in told
    assert takes in (Path(__file__).parents[2] / "docs/how-to/conformance.md").read_text()
