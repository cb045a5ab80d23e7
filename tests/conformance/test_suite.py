import re

import anyio
import pytest

from slipway.conformance.service import ProbeImage
from slipway.conformance.suite import conform
from slipway.records.conformance import ConformanceVerdict, Left
from slipway.records.form import from_json, to_json
from slipway.report.answers.account import of_left
from slipway.simulator.app_runner import service as states
from slipway.simulator.app_runner.service import Reaction
from slipway.simulator.faults import Effect, Fault
from tests.conformance.within import everything

pytestmark = pytest.mark.slow


def quiet(_line: str) -> None:
    pass


def seen(found, verdict: ConformanceVerdict) -> dict[str, str]:
    """Return the outcomes with a verdict, by subject."""
    return {finding.subject: finding.seen for finding in found.findings if finding.verdict is verdict}


def plant(monkeypatch, call: str, state: str, reaction: Reaction) -> None:
    row = list(states._TABLE[call])
    row[states.STATES.index(state)] = reaction
    monkeypatch.setitem(states._TABLE, call, tuple(row))


async def test_the_simulator_is_as_its_documentation_says(found):
    assert seen(found, ConformanceVerdict.DIFFERS) == seen(found, ConformanceVerdict.NOT_REACHED) == {}
    assert len(seen(found, ConformanceVerdict.CONFIRMED)) == 70
    assert (found.left, found.exit_code) == ((), 0)


async def test_behaviours_that_no_caller_can_cause_are_reported_as_out_of_reach(found):
    out = seen(found, ConformanceVerdict.OUT_OF_REACH)
    assert {subject for subject in out if subject.endswith(" of DELETE_FAILED")} < set(out)
    assert all(out.values())


async def test_a_record_has_neither_accounts_nor_arns_and_is_read_back(found):
    text = to_json(found)
    assert re.search(r"arn:|\d{12}", text) is None
    assert from_json(type(found), text, "a record") == found


async def test_a_run_leaves_nothing(afterwards):
    assert everything(afterwards) == ([], [], [], [])


async def test_planted_cells_and_messages_are_reported_with_the_outcome(asked, monkeypatch):
    plant(monkeypatch, "PauseService", "PAUSED", Reaction.INVALID_STATE)
    plant(monkeypatch, "ResumeService", "RUNNING", Reaction.INVALID_REQUEST)
    monkeypatch.setitem(states._DONE, "DeleteService", "removed")
    found = await conform(asked[0], ProbeImage(), quiet)
    assert seen(found, ConformanceVerdict.DIFFERS) == {
        "PauseService of PAUSED": "InvalidStateException: Service cannot be paused in the current state: PAUSED.",
        "ResumeService of RUNNING": "InvalidRequestException: Can't start a deployment on the specified service, because it "
        "isn't in RUNNING state.",
        "DeleteService of OPERATION_IN_PROGRESS": "InvalidStateException: Service cannot be removed in the current state: "
        "OPERATION_IN_PROGRESS.",
    }
    assert found.exit_code == 1


async def test_what_begins_though_it_should_not_costs_only_the_cells_behind_it(asked, monkeypatch):
    plant(monkeypatch, "UpdateService", "PAUSED", Reaction.BEGINS)
    found = await conform(asked[0], ProbeImage(), quiet)
    assert seen(found, ConformanceVerdict.DIFFERS) == {"UpdateService of PAUSED": "begins UPDATE_SERVICE"}
    missed = seen(found, ConformanceVerdict.NOT_REACHED)
    assert missed.pop("ResumeService of PAUSED") == "the service had become RUNNING"
    assert set(missed) == {"the triggers of other operations"}
    assert found.exit_code == 1


async def test_a_service_that_is_deleted_too_early_leaves_the_rest_of_its_walk_unseen(asked, monkeypatch):
    plant(monkeypatch, "DeleteService", "OPERATION_IN_PROGRESS", Reaction.BEGINS)
    found = await conform(asked[0], ProbeImage(), quiet)
    assert seen(found, ConformanceVerdict.DIFFERS)["DeleteService of OPERATION_IN_PROGRESS"] == "begins DELETE_SERVICE"
    assert (
        seen(found, ConformanceVerdict.NOT_REACHED)["PauseService of RUNNING"]
        == "the service is DELETED, expected RUNNING"
    )
    assert "DeleteService of PAUSED" in seen(found, ConformanceVerdict.CONFIRMED)


async def test_an_account_that_refuses_to_answer_confirms_nothing_and_contradicts_nothing(asked):
    account, cloud = asked
    cloud.faults.add(Fault(operation="CreateService", effect=Effect.EXPIRED, times=3))
    cloud.faults.add(Fault(operation="PutImage", effect=Effect.THROTTLED, times=6))
    cloud.faults.add(Fault(operation="DescribeLogGroups", effect=Effect.EXPIRED))
    found = await conform(account, ProbeImage(), quiet)
    assert seen(found, ConformanceVerdict.DIFFERS) == {}
    missed = seen(found, ConformanceVerdict.NOT_REACHED)
    assert "ExpiredTokenException" in missed["UpdateService of RUNNING"]
    assert "ThrottlingException" in missed["an image's digest"]
    assert "log groups that could not be listed" in found.left[0]
    assert everything(cloud)[:3] == ([], [], [])
    assert found.exit_code == 3


async def test_an_interruption_in_the_middle_leaves_nothing(asked):
    account, cloud = asked
    told = []

    def stop(line: str) -> None:
        told.append(line)
        if line == "well: PAUSED":
            scope.cancel()

    with anyio.CancelScope() as scope:
        await conform(account, ProbeImage(), stop)
    assert scope.cancelled_caught
    assert "well: DELETED" not in told
    assert len(cloud.app_runner.services) == 3
    assert everything(cloud) == ([], [], [], [])


async def test_what_cannot_be_deleted_is_named(asked):
    account, cloud = asked
    told = []

    def undeletable(line: str) -> None:
        told.append(line)
        if line == "failed: CREATE_FAILED":
            service = next(found for found in cloud.app_runner.services.values() if found.name.endswith("-failed"))
            service.failing.add("DELETE_SERVICE")

    found = await conform(account, ProbeImage(), undeletable, run="abc123")
    assert found.left == (
        "service slipway-conformance-abc123-failed is DELETE_FAILED.",
        "auto scaling slipway-conformance-abc123: InvalidRequestException: ARN is associated with a service.",
    )
    assert f"could not be deleted: {found.left[0]}" in told
    assert of_left(Left(found.left[:1])).text == f"1 resource could not be deleted:\n  {found.left[0]}\n"
    assert found.exit_code == 3
