"""Deployments that the usual rules would refuse: without the ledger, and a hot fix on a schema that is newer than it."""

from dataclasses import dataclass
from functools import partial

import pytest

from slipway.commands.command import Flags, named
from slipway.commands.table import COMMANDS
from slipway.environment.redeploy import CompatibilityEvidence, rollback
from slipway.environment.status import status
from slipway.errors import RefusedError, UnknownOutcomeError
from slipway.records.certificate import Ternary
from slipway.records.form import from_json, text_of
from slipway.records.migration import Standing
from slipway.records.outcome import Status, Verb
from slipway.simulator.faults import Effect, Fault
from tests.environment.environments import Place, certificate
from tests.environment.test_rollback import deployed
from tests.simulator.scripted import Script

pytestmark = pytest.mark.slow

FIX = "f" * 40


def deny(account, times, *operations):
    for operation in operations:
        account.cloud.faults.add(Fault(operation=operation, effect=Effect.DENIED, times=times))


async def test_a_rollback_without_its_ledger_is_recorded_as_soon_as_that_accepts_it(staging, account):
    first, _ = await deployed(staging), await deployed(staging)
    back = partial(rollback, tell=staging.tell, to=None, evidence=CompatibilityEvidence())
    deny(account, 5, "PutImage")  # as a repository at its quota does
    with pytest.raises(RefusedError, match="AWS refused ecr put_image"):
        await back(staging.environment)
    outcome = await back(staging.environment.doing_without_ledger("ECR is full"))
    assert (outcome.status, outcome.live) == (Status.SUCCEEDED, first)
    (release, *_) = (await staging.environment.history()).releases
    assert (release.number, release.verb, release.risk) == (3, Verb.ROLLBACK, "without the ledger: ECR is full")
    assert "recorded afterwards, as deployment 3" in staging.told


async def test_a_ledger_that_fails_until_the_end_leaves_a_file_that_is_recorded_later(
    staging, account, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    await deployed(staging)
    digest = await staging.image("aaa")
    deny(account, 99, "PutImage", "BatchGetImage", "DescribeImages", "DescribeRepositories")
    outcome = await staging.environment.doing_without_ledger("ECR is down").deploy(digest, staging.tell)
    assert (outcome.status, outcome.live) == (Status.SUCCEEDED, digest)
    assert "--record slipway-ledger-notes-staging.json" in outcome.note
    account.cloud.faults.clear()
    await deployed(staging)  # takes the number that the run without a ledger could not claim
    (file,) = tmp_path.iterdir()
    assert (await status(staging.environment)).unrecorded == file.name

    class Caller:
        async def environment(self, _name):
            return staging.environment

        async def record(self, kind, file, what):
            return from_json(kind, text_of(file, what), what)

    command = named("history", COMMANDS)
    await command.run(Flags(**command.defaults() | {"environment": "staging", "record": file}), Caller())
    assert not file.exists()  # recorded a second time it would be another deployment
    history = await staging.environment.history()
    assert [(each.number, each.live == digest) for each in history.releases] == [(3, True), (2, False), (1, False)]
    newest = await staging.environment.history(2)
    assert ([each.number for each in newest.releases], newest.older, history.older) == ([3, 2], 1, 0)


async def test_a_rollback_whose_ledger_cannot_be_read_says_so_and_how_to_bring_the_image(staging, account):
    await deployed(staging)
    deny(account, 99, "BatchGetImage", "ListImages", "DescribeImages")
    for to in (1, None):
        environment = staging.environment.doing_without_ledger("ECR is down")
        with pytest.raises(UnknownOutcomeError) as caught:
            await rollback(environment, staging.tell, to, CompatibilityEvidence())
        assert caught.value.what.startswith("the ledger cannot be read (AWS refused ecr ")
        command = "slipway deploy --environment staging --image REPOSITORY@DIGEST --without-ledger REASON"
        assert command in caught.value.next_step


@dataclass(frozen=True)
class Ahead:
    """The runner of a release whose database has a revision that it does not know."""

    how: str = "a test"

    async def migrate(self, _tell):
        raise RefusedError("the database is at bbb, which this release does not know", "it is ahead")

    async def standing(self):
        return Standing(("bbb",), ("aaa",), unknown=("bbb",))


async def runner(_environment, _digest, _deployment):
    return Ahead()


@pytest.mark.parametrize(
    ("proof", "is_live"),
    [
        (certificate("aaa", "bbb", previous=FIX), True),
        (certificate("aaa", "bbb", previous="e" * 40), False),  # the last good commit, without the fix
        (certificate("aaa", "bbb", Ternary.NO, previous=FIX), False),
        (certificate("aaa", "ccc", previous=FIX), False),
        (None, False),
    ],
)
async def test_a_hot_fix_is_released_on_a_newer_schema_only_with_the_proof_of_that_pair(
    staging: Place, account, proof, is_live
):
    staging.head = "bbb"
    digest = await account.image(Script(), revision=FIX)
    environment = staging._environment(runner=runner)
    outcome = await environment.deploy(digest, staging.tell, proof)
    assert outcome.status is (Status.SUCCEEDED if is_live else Status.REFUSED), outcome
    assert not is_live or outcome.migration.after == ("bbb",)


async def test_what_a_rollback_brought_can_be_deployed_with_other_settings_by_the_certificate_in_the_ledger(
    staging, account
):
    old = await account.image(Script(), revision=FIX)
    await staging.environment.deploy(old, staging.tell)
    await deployed(staging, "bbb", certificate("aaa", "bbb", previous=FIX))
    outcome = await staging._environment(runner=runner).deploy(old, staging.tell, older=True)
    assert (outcome.status, outcome.live) == (Status.SUCCEEDED, old)
