"""Answers on standard output, exit codes, and the files of a GitHub job."""

import argparse
import contextlib
import json
import os
import subprocess
import sys

import pytest

from slipway.cli import CommandLine, say, say_no
from slipway.errors import RefusedError
from slipway.records.logs import LogLine, LogSource
from slipway.records.outcome import Diagnosis, Outcome, Status
from slipway.report.answers import release as answers
from slipway.report.answers.service import of_log_line

ROLLED_BACK = Outcome(
    environment="staging",
    service="notes-staging",
    status=Status.ROLLED_BACK,
    requested="sha256:new",
    live="sha256:old",
    url="notes.example",
    seconds=190.0,
    operation="0123",
    diagnosis=Diagnosis(
        rule="P1",
        cause="it listens on\nlive=sha256:new\nanother port",
        lines=("```\n# verdict: fine",),
        remedy="set port",
    ),
)
PEOPLE, JSON = argparse.Namespace(json=False), argparse.Namespace(json=True)


@pytest.fixture
def job(monkeypatch, tmp_path):
    """The files of a job by the variable that names them."""
    for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    return lambda variable: (tmp_path / variable).read_text()


def outputs(text):
    """Parse outputs as the runner does: a name and a delimiter, then lines until that delimiter."""
    lines, read = iter(text.splitlines()), {}
    for line in lines:
        name, delimiter = line.split("<<")
        read[name] = "\n".join(iter(lines.__next__, delimiter))
    return read


def test_a_person_reads_text_and_a_program_the_record(capsys):
    assert say(PEOPLE, answers.of_outcome(ROLLED_BACK)) == 1
    assert capsys.readouterr().out.startswith("ROLLED_BACK notes-staging in staging after 3 m 10 s\n")
    assert say(JSON, answers.of_outcome(ROLLED_BACK)) == 1
    assert json.loads(capsys.readouterr().out)["schema"] == "slipway/outcome/1"


def test_later_steps_of_a_job_get_its_outputs_and_the_exit_code(job):
    say(PEOPLE, answers.of_outcome(ROLLED_BACK))
    read = outputs(job("GITHUB_OUTPUT"))
    assert (read["status"], read["live"], read["exit-code"]) == ("ROLLED_BACK", "sha256:old", "1")


def test_a_value_with_newlines_starts_no_other_output(job):
    say(PEOPLE, answers.of_outcome(ROLLED_BACK))
    read = outputs(job("GITHUB_OUTPUT"))
    assert read["live"] == "sha256:old"
    assert read["cause"] == "it listens on\nlive=sha256:new\nanother port"


def test_the_delimiter_is_random(job):
    for _ in range(2):
        say(PEOPLE, answers.of_outcome(ROLLED_BACK))
    delimiters = {line.partition("<<")[2] for line in job("GITHUB_OUTPUT").splitlines() if "<<slipway-" in line}
    assert len(delimiters) == 2
    assert all(len(delimiter) == len("slipway-") + 32 for delimiter in delimiters)


def test_answers_are_appended_to_the_job_summary(job):
    for _ in range(2):
        say(JSON, answers.of_outcome(ROLLED_BACK))
    assert job("GITHUB_STEP_SUMMARY").count("## ❌ ROLLED") == 2


def test_files_that_cannot_be_written_change_no_answer(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path))
    assert say(PEOPLE, answers.of_outcome(ROLLED_BACK)) == 1
    said = capsys.readouterr()
    assert said.out.startswith("ROLLED_BACK")
    assert said.err.startswith("slipway: cannot write GITHUB_OUTPUT: ")


def test_an_error_is_a_sentence_on_standard_error_and_for_a_program_a_record_too(capsys, job):
    error = RefusedError("the service is busy", "try again")
    assert say_no(PEOPLE, error) == 1
    assert capsys.readouterr() == ("", "slipway: the service is busy: try again\n")
    assert say_no(JSON, error) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "schema": "slipway/refusal/1",
        "what": "the service is busy",
        "next_step": "try again",
        "exit_code": 1,
        "reason": "",
        "migration": None,
    }
    assert said.err == "slipway: the service is busy: try again\n"
    assert outputs(job("GITHUB_OUTPUT"))["error"] == "the service is busy: try again"
    assert "the service is busy" in job("GITHUB_STEP_SUMMARY")


@pytest.mark.slow
def test_the_exit_code_is_right_when_the_reader_closes_the_pipe():
    code = (
        "import argparse, sys; from slipway.cli import say; from slipway.report.answers.result import CommandResult;"
        "from slipway.records.command import Listening;"
        "sys.exit(say(argparse.Namespace(json=False), CommandResult(record=Listening(''), text='x' * 1_000_000, code=1)))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (1, b"")


def test_one_of_many_answers_is_no_output_of_the_job_and_ends_with_its_reader(capsys, job, monkeypatch):
    line = of_log_line(LogLine(at=1.5, source=LogSource.APPLICATION, stream="one", text="\x1b[1mready"))
    CommandLine(PEOPLE).stream(line)
    assert capsys.readouterr().out == "1970-01-01 00:00:01.500Z  application  ready\n"
    with pytest.raises(FileNotFoundError):
        job("GITHUB_OUTPUT")
    reading, writing = os.pipe()
    os.close(reading)
    gone = os.fdopen(writing, "w")
    monkeypatch.setattr(sys, "stdout", gone)
    with pytest.raises(BrokenPipeError):
        CommandLine(JSON).stream(line)
    with contextlib.suppress(BrokenPipeError):
        gone.close()


def test_a_screen_in_a_pipe_prints_only_what_changes(capsys):
    with CommandLine(PEOPLE).screen() as show:
        for text in ("busy\n", "busy\n", "live\n"):
            show(answers.CommandResult(record=None, text=text))
    assert capsys.readouterr().out == "busy\nlive\n"
