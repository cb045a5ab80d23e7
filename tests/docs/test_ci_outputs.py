import re
from pathlib import Path

import pytest

from slipway.records.certificate import Validity
from slipway.records.checks import Preflight
from slipway.records.command import Listening
from slipway.records.ledger import History, Situation
from slipway.records.migration import Migration, Standing
from slipway.records.outcome import Examination, Outcome, Status
from slipway.records.plan import Action, Observed, Plan
from slipway.records.refusal import Refusal
from slipway.records.services import Service, Services
from slipway.report.answers import account, prove, release, service

PAGE = (Path(__file__).parents[2] / "docs/how-to/ci-outputs.md").read_text()
OUTCOME = Outcome(
    environment="staging",
    service="notes",
    status=Status.SUCCEEDED,
    requested="sha256:1",
    live=None,
    url=None,
    seconds=1.0,
)
EACH = {
    "all": release.of_refusal(Refusal(what="no", next_step="wait", exit_code=1)),
    "preflight": release.of_preflight(
        Preflight(environment="staging", service="notes", image="notes@sha256:1", seconds=0.1, branches=())
    ),
    "plan": release.of_plan(
        Plan(
            environment="staging",
            service="notes",
            image="notes@sha256:1",
            action=Action.NOOP,
            changes=(),
            fingerprint="f00d",
        )
    ),
    "deploy`, `promote`, `rollback`, `pause`, `resume`, `destroy": release.of_outcome(OUTCOME),
    "migrate": release.of_migration(Migration(before=(), after=(), applied=(), attempts=1, seconds=0.1), "staging"),
    "migrate --status": release.of_standing(Standing((), ()), "staging"),
    "diagnose": service.of_examination(Examination(environment="staging", operation=None, ending="succeeded")),
    "status": service.of_situation(Situation(environment="staging", observed=Observed())),
    "history": service.of_history(History(environment="staging", releases=())),
    "services": prove.of_services(Services((Service("services/notes"),))),
    "certificate --check": prove.of_validity(Validity(None, (), ())),
    "simulator": account.of_listening(Listening("http://127.0.0.1:1")),
}


@pytest.mark.parametrize("command", EACH)
def test_the_page_names_every_output_of_a_command_and_no_other(command):
    name = command if command == "all" else f"`{command}`"
    (row,) = re.findall(rf"^\| {re.escape(name)} \| (.*) \|$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`([a-z-]+)`", row)) - {"exit-code"} == set(EACH[command].outputs)
