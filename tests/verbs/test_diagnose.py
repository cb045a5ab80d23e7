"""Diagnoses of changes that ended before."""

import pytest

from slipway.environment.redeploy import CompatibilityEvidence, rollback
from slipway.environment.status import diagnose
from slipway.errors import BadInputError
from slipway.records.outcome import NOTHING
from tests.simulator.scripted import Script
from tests.verbs.test_rollback import deployed


async def test_the_cause_of_the_newest_failure_is_diagnosed_afterwards(account, staging):
    await deployed(staging)
    broken = await account.image(Script(lines=("KeyError: 'REDIS_URL'",), exit_code=1))
    outcome = await staging.verbs.deploy(broken, staging.tell)
    found = await diagnose(staging.verbs, None)
    assert (found.ending, found.exit_code) == ("rolled back", 1)
    assert found.diagnosis == outcome.diagnosis
    assert found.operation == outcome.operation


async def test_an_older_deployment_is_named_by_its_number(account, staging):
    await staging.verbs.deploy(await account.image(Script(exit_code=137)), staging.tell)
    await deployed(staging)
    assert (await diagnose(staging.verbs, None)).exit_code == 0
    found = await diagnose(staging.verbs, 1)
    assert (found.ending, found.diagnosis.rule) == ("failed", "killed")


async def test_a_service_without_changes_has_nothing_to_diagnose(staging):
    found = await diagnose(staging.verbs, None)
    assert (found.ending, found.operation, found.exit_code) == (NOTHING, None, 0)


async def test_a_number_without_an_operation_is_bad_input(staging):
    await deployed(staging)
    for number in (0, 5):
        with pytest.raises(BadInputError, match=f"the ledger has no deployment {number}"):
            await diagnose(staging.verbs, number)


async def test_a_refused_deployment_has_no_operation_to_examine(staging):
    await deployed(staging)
    await deployed(staging, "bbb")
    await rollback(staging.verbs, staging.tell, None, CompatibilityEvidence())
    with pytest.raises(BadInputError, match="deployment 3 started no operation on the platform"):
        await diagnose(staging.verbs, 3)
