import re
from pathlib import Path

import pytest

from slipway.records.certificate import Validity
from slipway.records.ledger import History, Situation
from slipway.records.migration import Migration, Standing
from slipway.records.outcome import Examination, Outcome, Status
from slipway.records.plan import Action, Observed, Plan
from slipway.records.preflight import Preflight
from slipway.records.refusal import Listening, Refusal
from slipway.report import answers

PAGE = (Path(__file__).parents[2] / "docs/how-to/ci-outputs.md").read_text()
OUTCOME = Outcome("staging", "notes", Status.SUCCEEDED, "sha256:1", None, None, 1.0)
EACH = {
    "all": answers.of_refusal(Refusal("no", "wait", 1)),
    "preflight": answers.of_preflight(Preflight("staging", "notes", "notes@sha256:1", 0.1, ())),
    "plan": answers.of_plan(Plan("staging", "notes", "notes@sha256:1", Action.NOOP, (), "f00d")),
    "deploy`, `promote`, `rollback`, `pause`, `resume`, `destroy": answers.of_outcome(OUTCOME),
    "migrate": answers.of_migration(Migration((), (), (), 1, 0.1), "staging"),
    "migrate --look": answers.of_standing(Standing((), ()), "staging"),
    "diagnose": answers.of_examination(Examination("staging", None, "succeeded")),
    "status": answers.of_situation(Situation("staging", Observed())),
    "history": answers.of_history(History("staging", ())),
    "certificate --check": answers.of_validity(Validity(None, (), ())),
    "simulator": answers.of_listening(Listening("http://127.0.0.1:1")),
}


@pytest.mark.parametrize("verb", EACH)
def test_the_page_names_every_output_of_a_verb_and_no_other(verb):
    name = verb if verb == "all" else f"`{verb}`"
    (row,) = re.findall(rf"^\| {re.escape(name)} \| (.*) \|$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`([a-z-]+)`", row)) - {"exit-code"} == set(EACH[verb].outputs)
