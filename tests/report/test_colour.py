"""Verdicts and severities have a colour on a terminal, and no colour in a pipe."""

import io
import re
from dataclasses import replace

import pytest

from slipway.records.outcome import Outcome, Status
from slipway.records.proof import Level
from slipway.report.colour import coloured
from slipway.report.proof.text import text
from slipway.report.release import of_outcome

GREEN, RED, YELLOW, BLUE = (f"\x1b[1;{code}m" for code in (32, 31, 33, 34))
OUTCOME = Outcome(
    environment="staging",
    service="notes",
    status=Status.SUCCEEDED,
    requested="sha256:1",
    live=None,
    url=None,
    seconds=1.0,
)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    stream.isatty = lambda: True
    return stream


def test_the_verdict_and_each_severity_of_a_proof_are_coloured(proof, terminal):
    note = replace(proof.findings[1], level=Level.NOTE)
    shown = coloured(text(replace(proof, findings=(*proof.findings, note))), terminal)
    for word in (f"{RED}ERROR", f"{YELLOW}WARNING", f"{BLUE}NOTE", f"{YELLOW}not covered:", f"{RED}refused:"):
        assert f"\n{word}\x1b[0m " in f"\n{shown}"


@pytest.mark.parametrize("status", Status)
def test_only_a_success_is_green_and_an_unknown_outcome_is_neither_green_nor_red(status, terminal):
    colour = {0: GREEN, 1: RED, 3: YELLOW, 4: RED}[status.exit_code]
    assert coloured(of_outcome(replace(OUTCOME, status=status)), terminal).startswith(f"{colour}{status.value}\x1b[0m ")


def test_colour_changes_no_character(proof, rehearsal, terminal):
    from slipway.report.rehearsal import text as table

    for report in (text(proof), table(rehearsal), of_outcome(OUTCOME)):
        shown = coloured(report, terminal)
        assert shown != report
        assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == report


def test_a_word_inside_a_line_or_in_indented_code_has_no_colour(terminal):
    for line in ("it is OK to wait", "OKAY", "passed", " " * 12 + "ERROR in code"):
        assert coloured(line, terminal) == line


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours_gets_none(name, value, proof, terminal, monkeypatch):
    monkeypatch.setenv(name, value)
    assert coloured(text(proof), terminal) == text(proof)


def test_a_pipe_gets_no_colours(proof, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert coloured(text(proof), io.StringIO()) == text(proof)
