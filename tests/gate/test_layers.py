"""The layers of a run: only those that the question names, and the proof says which."""

import json
import sys
from dataclasses import replace

import pytest

from slipway.cli import run as run_command
from slipway.errors import RefusedError
from slipway.local.certificate import certify
from slipway.local.prove import _Work
from slipway.records.form import from_json, to_json
from slipway.records.gate import PROGRESS_MARK, GateProgress
from slipway.records.progress import Progress
from slipway.records.proof import Layer, Verdict
from slipway.report.proof.text import markdown, text
from tests.gate.conftest import named

TABLE = (None, "op.execute('CREATE TABLE a (id int)')", "op.drop_table('a')")
INDEX = ("one", "op.execute('CREATE INDEX ix ON a (id)')", "op.execute('DROP INDEX ix')")
HISTORY = {"one": TABLE, "two": INDEX}


def test_the_first_layer_executes_every_revision_and_measures_no_statement(prove_history):
    proof = prove_history(HISTORY, layers=(Layer.ALWAYS,), calls=("billing",), called_by=("web",))
    assert (proof.verdict, proof.coverage.revisions, proof.coverage.statements) == (Verdict.PASS, 2, 0)
    assert all(set(revision.fingerprints) == {"up", "down", "again"} for revision in proof.revisions)
    assert proof.coverage.layers == (Layer.ALWAYS,)
    assert [line for line in text(proof).splitlines() if "requests of" in line] == [
        "not covered: requests of the previous and of the new release to billing: only statements are replayed, none goes to another service",
        "not covered: requests of the live web to the new release: prove in its tests that it answers both",
    ]
    certificate = certify(to_json(replace(proof, coverage=replace(proof.coverage, layers=tuple(Layer)))), 1)
    assert (certificate.calls, certificate.called_by) == (("billing",), ("web",))


@pytest.mark.parametrize("layer", [Layer.ROWS, Layer.INTERRUPTION, Layer.CONCURRENCY])
def test_a_layer_brings_those_that_it_starts_from(prove_history, layer):
    proof = prove_history(HISTORY, layers=(layer,))
    assert proof.coverage.layers == (Layer.ALWAYS, Layer.TRACE, layer)
    assert [finding.rule for finding in proof.failures] == ["L01"]
    assert (proof.coverage.tables, proof.revisions[1].queue is None) == (
        1 if layer is Layer.ROWS else 0,
        layer is not Layer.CONCURRENCY,
    )


def test_an_allowance_is_not_unused_when_its_layer_was_not_executed(prove_history):
    allowed = {**HISTORY, "two": (INDEX[0], f"{INDEX[1]}  # slipway: allow L01 because nobody writes", INDEX[2])}
    assert prove_history(allowed, layers=(Layer.ALWAYS,)).findings == ()


def test_reports_begin_with_the_layers_and_a_certificate_is_refused(prove_history):
    partial = prove_history(HISTORY, layers=(Layer.ALWAYS,))
    untested = "not tested: locks, rows, env.py's transactions, interruptions, the previous release, lock queues"
    assert text(partial).splitlines()[0] == f"{untested}, models"
    assert f"passed in part, {untested}" in "".join(markdown(partial).splitlines()[:3])
    with pytest.raises(RefusedError, match=rf"the proof is incomplete \({untested}\)"):
        certify(to_json(partial), 1)


@pytest.mark.slow
@pytest.mark.usefixtures("forked_gate")
def test_quick_is_short_for_the_first_layer(write_project, server, tmp_path, capsys):
    write_project(HISTORY, files={"pyproject.toml": "[project]\nname = 'x'\n"})
    options = ("--source", str(tmp_path), "--python", sys.prefix, "--database-url", server, "--json")
    for layers in (["--quick"], ["--layers", "always"]):
        assert run_command(["gate", *options, *layers]) == 0
        assert json.loads(capsys.readouterr().out)["coverage"]["layers"] == ["always"]
    assert run_command(["gate", *options, "--layers", "allways"]) == 2
    assert "--layers allways names an unknown layer: use some of always, trace, rows" in capsys.readouterr().err


@pytest.mark.slow
def test_progress_names_each_revision_of_a_layer_once_it_begins(write_project, gate, server_url):
    write_project(HISTORY)
    process = gate(layers=(Layer.ROWS,), progress=True, database=named(server_url))
    _, errors = process.communicate(timeout=300)
    lines = [line.removeprefix(PROGRESS_MARK) for line in errors.splitlines()]
    events = [from_json(GateProgress, line, "a line") for line in lines]
    assert [(event.layer, event.revision, event.of) for event in events] == [
        (layer, revision, 2) for layer in (Layer.ALWAYS, Layer.ROWS) for revision in ("one", "two")
    ]


class Shown(Progress):
    """The stages and details in the order in which they were shown."""

    def __init__(self):
        self.stages, self.details = [], []
        self.stage, self.detail = self.stages.append, self.details.append


def test_progress_begins_a_stage_with_each_layer_and_counts_its_revisions():
    shown = Shown()
    work = _Work(shown)
    assert work.now == "importing the service's code"
    read = work.read
    for layer, revision in ((Layer.ALWAYS, "a"), (Layer.ALWAYS, "b"), (Layer.ROWS, "b"), (Layer.ALWAYS, "b")):
        assert read(PROGRESS_MARK + to_json(GateProgress(layer=layer, revision=revision, of=3), indent=None))
    assert shown.stages == ["running the revisions, 3 in all", "running them on tables with rows, 3 in all"]
    assert work.now == "running the revisions: b, 2 of 3"
    assert shown.details == [
        "running the revisions: a, 1 of 3",
        "running the revisions: b, 2 of 3",
        "running them on tables with rows: b, 1 of 3",
        "running the revisions: b, 2 of 3",
    ]
    assert not read(f"{PROGRESS_MARK}of a revision's own")
    assert not read("an error")
