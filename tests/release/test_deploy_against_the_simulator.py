"""Deployments particular to App Runner; test_every_target.py has the rest. The oracle is the account: its requests, and the live digest."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from slipway.errors import RefusedError
from slipway.records.form import from_json, to_json
from slipway.records.outcome import Outcome, Status
from slipway.records.progress import Event
from slipway.release.engine.goal import Live
from slipway.release.engine.run import reach
from tests.release.desired import deployed, engine_of, spec
from tests.release.direct import opened
from tests.simulator.account import BRISK, INSTANCE_ROLE, Account, asked, log_group
from tests.simulator.scripted import Script

pytestmark = pytest.mark.slow

UNHEALTHY = Script(lines=('INFO:     10.0.0.1:4 - "GET /healthz HTTP/1.1" 503 Service Unavailable',), healthy=False)


async def live_digest(account: Account, url: str | None) -> str:
    """Which release answers at the public address."""
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://{url}/")).text.partition("\n")[0]


async def test_from_nothing_a_service_is_created(account):
    digest = await account.image()
    done = await deployed(account, spec(digest))
    assert done.outcome.status is Status.SUCCEEDED
    assert done.outcome.status.exit_code == 0
    assert (done.outcome.requested, done.outcome.live) == (digest, digest)
    assert await live_digest(account, done.outcome.url) == digest
    assert done.changes == ["CreateService"]
    assert done.outcome.diagnosis is None


async def test_a_live_release_costs_no_change_and_at_most_five_reads(account):
    digest = await account.image()
    await deployed(account, spec(digest))
    done = await deployed(account, spec(digest))
    assert (done.outcome.status, done.outcome.live) == (Status.NOOP, digest)
    assert done.outcome.status.exit_code == 0
    assert done.changes == []
    assert len(done.requests) <= 5


async def test_what_a_failed_creation_left_is_rebuilt(account):
    failed = await deployed(account, spec(await account.image(UNHEALTHY)))
    assert (failed.outcome.status, failed.outcome.live) == (Status.CREATE_FAILED, None)
    digest = await account.image()
    done = await deployed(account, spec(digest))
    assert (done.outcome.status, done.outcome.live) == (Status.SUCCEEDED, digest)
    assert done.changes == ["UpdateService"]


async def test_a_creation_that_does_not_become_healthy_has_a_cause(account):
    done = await deployed(account, spec(await account.image(UNHEALTHY)))
    assert done.outcome.status is Status.CREATE_FAILED
    assert done.outcome.status.exit_code == 1
    assert done.outcome.live is None
    assert done.outcome.diagnosis.rule == "health-path"
    assert "503" in done.outcome.diagnosis.cause


async def test_an_update_that_does_not_become_healthy_is_rolled_back_and_called_so(account):
    """Afterwards the service is RUNNING, and most tools call that success."""
    before = await account.image()
    await deployed(account, spec(before))
    done = await deployed(account, spec(await account.image(UNHEALTHY)))
    assert done.told[-1] == "[AppRunner] Service status is set to RUNNING."
    assert (done.outcome.status, done.outcome.status.exit_code) == (Status.ROLLED_BACK, 1)
    assert done.outcome.live == before
    assert await live_digest(account, done.outcome.url) == before
    assert done.changes == ["UpdateService"]
    assert done.outcome.diagnosis.rule == "health-path"


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        (Script(lines=("KeyError: 'REDIS_URL'",), exit_code=1), "missing-variable"),
        (Script(exit_code=137), "killed"),
        (Script(lines=("listening on 127.0.0.1",), healthy=False), "unknown"),
        (Script(starts=False), "platform"),
    ],
    ids=["reads a variable", "ends", "answers nobody", "does not start"],
)
async def test_a_release_that_does_not_live_has_a_cause(account, script, rule):
    done = await deployed(account, spec(await account.image(script)))
    assert (done.outcome.status, done.outcome.diagnosis.rule) == (Status.CREATE_FAILED, rule)


async def test_a_first_release_on_an_empty_database_fails_with_the_missing_migration_as_its_cause(account):
    empty = Script(lines=('psycopg.errors.UndefinedTable: relation "notes" does not exist',), exit_code=1)
    done = await deployed(account, spec(await account.image(empty)))
    assert "; slipway does not migrate this environment's database" in done.outcome.diagnosis.cause
    assert "without one, run `alembic upgrade heads`" in done.outcome.diagnosis.remedy


async def test_lines_of_the_live_release_are_no_cause_of_its_successors_failure(account):
    arn = await account.create(await account.image(Script(lines=("INFO: Started",))))
    live = f"{log_group(arn)}/application", f"instance/{account.cloud.app_runner.services[arn].instance.id}"

    def tell(_event: Event) -> None:
        line = "ModuleNotFoundError: No module named 'asked_for_by_a_request'"
        account.cloud.logs.write(*live, account.cloud.clock.now(), line)

    outcome = await reach(engine_of(account, tell), Live(spec=spec(await account.image(UNHEALTHY))))
    assert (outcome.status, outcome.diagnosis.rule) == (Status.ROLLED_BACK, "health-path")


async def test_an_update_whose_container_never_started_has_the_platforms_reason_although_the_service_has_a_log(account):
    arn = await account.create(await account.image(Script(lines=("INFO: Started",))))
    done = await deployed(account, spec(await account.image(Script(starts=False))))
    assert "application" in await account.groups(arn)
    assert (done.outcome.status, done.outcome.diagnosis.rule) == (Status.ROLLED_BACK, "platform")


async def test_a_run_that_waits_too_long_changes_nothing():
    async with opened(pace=replace(BRISK, update=4000)) as account:
        arn = await account.create(await account.image())
        await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(await account.image()))
        before = len(account.cloud.requests)
        outcome = (await deployed(account, spec(await account.image()))).outcome
        assert (outcome.status, outcome.diagnosis.cause) == (
            Status.REFUSED,
            "notes could not be changed in 30 minutes",
        )
        assert "UpdateService" not in account.cloud.requests[before:]


async def test_automatic_deployments_that_were_switched_on_by_hand_are_drift_and_switched_off(account):
    digest = await account.image()
    await deployed(account, spec(digest))
    (service,) = (await account.ask("apprunner", "list_services"))["ServiceSummaryList"]
    by_hand = {"SourceConfiguration": {"AutoDeploymentsEnabled": True}}
    await account.update(service["ServiceArn"], **by_hand)
    done = await deployed(account, spec(digest))
    assert "automatic deployments: true -> false" in done.told[0]
    assert (done.outcome.status, done.outcome.live) == (Status.SUCCEEDED, digest)
    assert (await account.described(service["ServiceArn"]))["SourceConfiguration"]["AutoDeploymentsEnabled"] is False


async def test_a_variable_that_is_no_longer_wanted_is_removed(account):
    digest = await account.image()
    await deployed(account, spec(digest, variables={"COLOUR": "blue", "SIZE": "large"}))
    done = await deployed(account, spec(digest, variables={"COLOUR": "blue"}))
    assert done.outcome.status is Status.SUCCEEDED
    assert account.backend.started[-1].variables == {"COLOUR": "blue"}


@pytest.mark.parametrize(
    ("by_hand", "said"),
    [
        (
            {"SourceConfiguration": {"ImageRepository": {"ImageConfiguration": {"StartCommand": "serve --by-hand"}}}},
            "the start command serve --by-hand",
        ),
        (
            {"InstanceConfiguration": {"InstanceRoleArn": INSTANCE_ROLE}},
            f"the instance role {INSTANCE_ROLE}",
        ),
    ],
    ids=["start command", "instance role"],
)
async def test_a_change_by_hand_that_an_update_would_inherit_is_refused(account, by_hand, said):
    digest = await account.image()
    await deployed(account, spec(digest))
    (service,) = (await account.ask("apprunner", "list_services"))["ServiceSummaryList"]
    await account.update(service["ServiceArn"], **_whole(await account.described(service["ServiceArn"]), by_hand))
    with pytest.raises(RefusedError, match="cannot be deployed now") as refused:
        await deployed(account, spec(digest))
    assert f"an update cannot remove {said}" in refused.value.next_step


def _whole(service: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """An update must repeat what the model calls required inside of what it changes."""
    if "SourceConfiguration" in change:
        image = service["SourceConfiguration"]["ImageRepository"]
        needed = {key: image[key] for key in ("ImageIdentifier", "ImageRepositoryType")}
        change["SourceConfiguration"]["ImageRepository"] |= needed
    return change


async def test_a_run_reports_the_plan_and_then_the_platforms_lines(account):
    done = await deployed(account, spec(await account.image(), variables={"TOKEN": "hunter2"}))
    assert done.told[0].startswith("plan: create\n  image: none -> 123456789012.dkr.ecr")
    assert done.told[1] == "[AppRunner] Service status is set to OPERATION_IN_PROGRESS."
    assert done.told[-1] == "[AppRunner] Service status is set to RUNNING."
    assert "hunter2" not in repr(done)


async def test_seconds_are_the_platforms(account):
    began = account.cloud.clock.now()
    done = await deployed(account, spec(await account.image()))
    assert 10 < done.outcome.seconds <= (account.cloud.clock.now() - began).total_seconds()


async def test_an_outcome_is_saved_and_read(account):
    done = await deployed(account, spec(await account.image(UNHEALTHY)))
    assert from_json(Outcome, to_json(done.outcome), "outcome.json") == done.outcome
    (operation,) = await account.operations(
        (await account.ask("apprunner", "list_services"))["ServiceSummaryList"][0]["ServiceArn"]
    )
    assert done.outcome.operation == operation["Id"]
