"""A platform that lets two releases answer at once, accepts a change during another, and keeps its own history."""

from datetime import timedelta

import pytest

from slipway.records.outcome import Status, Verb
from slipway.records.plan import State
from slipway.release.engine.goal import Deleted, Paused, Resumed
from slipway.release.engine.plan import plan
from slipway.release.engine.target import OperationStatus
from slipway.release.errors import LostAnswerError
from slipway.release.targets.ecs_express.deployment import STATES
from slipway.release.targets.ecs_express.spec import spec_of
from slipway.release.targets.ecs_express.target import NO_PAUSE
from slipway.settings import SettingsError, parse
from slipway.settings.ecs_express import Architecture
from slipway.simulator.ecs.express.rollout import TRANSITIONS
from slipway.simulator.faults import Effect, Fault
from tests.release.deployers import Kill, lies
from tests.release.express import BAKE, CANARY, DESCRIPTION_LAG, MODEL, START, How
from tests.release.platforms import EXPRESS_TEXT, on_express, run


@pytest.fixture
async def there():
    """A service that is live as the next deployment finds it."""
    async with on_express() as platform:
        await platform.create_by_hand(platform.released(How.HEALTHY))
        yield platform


async def test_while_two_releases_share_the_traffic_neither_is_called_live(there):
    old, wanted = await there.live(), there.released(How.HEALTHY)
    await there.update_by_hand(wanted)
    await there.clock.sleep(START + BAKE / 2)
    assert there.express.answering() == {old: 1 - CANARY, wanted.image.digest: CANARY}
    observed = await there.target.observe()
    assert (observed.state, observed.digest) == (State.BUSY, None)


async def test_a_release_that_answers_alone_may_still_be_taken_back_and_is_no_success_before_its_end(there):
    old, wanted = await there.live(), there.released(How.ALARMED_AT_LAST)
    ended = await run(there, wanted)
    assert (ended.code, ended.outcome.status, ended.live) == (1, Status.ROLLED_BACK, old)
    assert ended.outcome.diagnosis.rule == "alarm"
    wanted = there.released(How.ALARMED_AT_LAST)
    await there.update_by_hand(wanted)
    await there.clock.sleep(START + BAKE + BAKE / 2 - 1)
    assert await there.live() == wanted.image.digest
    assert (await there.target.observe()).state is State.BUSY


@pytest.mark.parametrize(
    ("how", "status"),
    [
        (How.UNHEALTHY, Status.ROLLED_BACK),
        (How.ALARMED_AT_FIRST, Status.ROLLED_BACK),
        (How.DELETE_FAILED, Status.ROLLBACK_FAILED),
    ],
)
async def test_each_failure_of_a_release_has_its_status(there, how, status):
    old, wanted = await there.live(), there.released(how)
    ended = await run(there, wanted)
    assert (ended.code, ended.outcome.status, ended.live) == (1, status, old)
    assert not lies(ended, wanted)


@pytest.mark.parametrize("after", [30, START + 10, START + BAKE + 10])
async def test_a_change_that_another_client_starts_on_top_supersedes_the_first(there, after):
    """The platform accepts it, although this run holds the lock."""
    wanted, theirs = there.released(How.HEALTHY), there.released(How.HEALTHY)
    began, done = there.clock.now(), []
    engine, _ = there.engine(lambda _event: None)
    describe = engine.target._api.aws.once

    async def meddled(service, operation, /, **parameters):
        if not done and (there.clock.now() - began).total_seconds() >= after:
            done.append(await there.update_by_hand(theirs))
        return await describe(service, operation, **parameters)

    engine.target._api.aws.once = meddled
    ended = await run(there, wanted, target=engine.target)
    assert (ended.code, ended.outcome.status) == (1, Status.SUPERSEDED)
    assert ended.outcome.diagnosis.rule == "superseded"
    await there.clock.sleep(900)
    assert await there.live() == theirs.image.digest


async def test_what_a_person_stops_is_rolled_back(there):
    old, wanted = await there.live(), there.released(How.HEALTHY)
    observed = await there.target.observe()
    operation = await there.target.apply(plan(wanted, observed), observed, wanted)
    await there.clock.sleep(START + 10)
    there.express.ask("stop_service_deployment", {"serviceDeploymentArn": operation.id})
    assert [event.line async for event in there.target.follow(operation)]
    assert await there.target.ending(operation) is OperationStatus.ABORTED
    assert (await there.target.observe()).digest == old == await there.live()


async def test_every_status_of_its_service_model_is_translated_and_none_is_a_failure():
    words = MODEL.shape_for("ServiceDeploymentStatus").metadata["enum"]
    assert set(STATES) == set(words)
    following = {word: set(signals.values()) for word, signals in TRANSITIONS.items()}
    assert {word: set(state.following) for word, state in STATES.items()} == following
    assert "FAILED" not in words


async def test_a_service_keeps_the_platforms_status_beside_its_state():
    async with on_express() as platform:
        said = []
        for how in (How.UNHEALTHY, How.HEALTHY):
            ended = await run(platform, platform.released(how))
            observed = await platform.target.observe()
            said.append((observed.status, observed.state))
        assert ended.code == 0
    assert said == [("ACTIVE", State.CREATE_FAILED), ("ACTIVE", State.LIVE)]


async def test_it_has_another_machine_and_that_is_a_field_like_any_other(there):
    wanted = there.released(How.HEALTHY, architecture=Architecture.ARM64)
    made = plan(wanted, await there.target.observe())
    assert ("architecture", "X86_64", "ARM64") in [
        (change.name, change.before, change.after) for change in made.changes
    ]
    assert (await run(there, wanted)).live == wanted.image.digest


async def test_a_change_that_was_accepted_and_is_not_shown_is_not_sent_again_by_the_target(there):
    wanted = there.released(How.HEALTHY)
    observed = await there.target.observe()
    there.faults.add(Fault(operation="ListServiceDeployments", effect=Effect.EXPIRED, times=9))
    with pytest.raises(LostAnswerError, match="has accepted a change of notes, and it cannot be seen"):
        await there.target.apply(plan(wanted, observed), observed, wanted)
    assert there.express.requests.count("UpdateExpressGatewayService") == 1


async def test_a_run_waits_while_a_deleted_service_drains_and_then_creates_it(there):
    there.express.ask("delete_express_gateway_service", {"serviceArn": there.express.services[-1].arn})
    await there.clock.sleep(DESCRIPTION_LAG)
    wanted = there.released(How.HEALTHY)
    ended = await run(there, wanted)
    assert [line for line in ended.told if line.startswith("waiting: ")]
    assert (ended.code, ended.live) == (0, wanted.image.digest)


async def test_a_run_waits_for_a_new_role():
    async with on_express() as platform:
        platform.express.roles_known = platform.clock.now() + timedelta(seconds=90)
        wanted = platform.released(How.HEALTHY)
        ended = await run(platform, wanted)
    assert (ended.code, ended.live) == (0, wanted.image.digest)
    assert "ECS cannot use a role yet" in next(line for line in ended.told if line.startswith("waiting: "))


@pytest.mark.slow
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_a_deletion_that_is_killed_at_any_request_is_resumed(done):
    for index in range(60):
        async with on_express() as platform:
            await platform.create_by_hand(platform.released(How.HEALTHY))
            first = await run(platform, Deleted("staging", "notes"), Kill(index, done))
            again = await run(platform, Deleted("staging", "notes"))
            at = f"request {index}: {again}"
            assert (again.code, again.live) == (0, None), at
            assert platform.express.requests.count("DeleteExpressGatewayService") == 1, at
        if first.code is not None:
            assert index > 10
            return
    raise AssertionError("it never ends")


@pytest.mark.parametrize("goal", [Paused("staging", "notes"), Resumed("staging", "notes")])
async def test_a_missing_verb_is_one_sentence_without_a_request(there, goal):
    before = len(there.express.requests)
    ended = await run(there, goal)
    done = "paused" if goal.verb is Verb.PAUSE else "resumed"
    assert ended.told == (f"notes cannot be {done} where it runs: {NO_PAUSE}",)
    assert (ended.code, len(there.express.requests), there.shelf.texts) == (2, before, {})


@pytest.mark.parametrize("lacking", ["subnets", "security-groups"])
def test_a_network_without_its_group_or_subnets_in_the_settings_is_refused(lacking):
    text = EXPRESS_TEXT.replace(f"{lacking} = [", f"{lacking} = [] # [")
    network = '[tool.slipway.environments.staging.network]\nvpc = "vpc-1"\nsubnets = ["subnet-1"]\n'
    settings = parse(text + network + 'database-security-group = "sg-2"\n')
    with pytest.raises(SettingsError, match="subnets or security-groups are missing"):
        spec_of(settings, "staging", f"sha256:{0:064}")
