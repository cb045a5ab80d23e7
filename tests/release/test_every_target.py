"""The engine on every platform that it knows nothing of: the oracle is what answers at the front door, and what changes were accepted."""

import pytest

from slipway.records.outcome import Status, Verb
from slipway.records.plan import Action, State
from slipway.release.engine.goal import Deleted, Live, Paused, Resumed
from slipway.release.engine.plan import plan
from slipway.release.engine.target import OperationStatus
from slipway.simulator.faults import Effect, Fault
from tests.release.deployers import lies
from tests.release.planted import SettledByOperation, SettledByState
from tests.release.platforms import run

pytestmark = pytest.mark.slow


async def test_from_nothing_a_service_is_created(platform):
    wanted = await platform.release()
    ended = await run(platform, wanted)
    assert (ended.code, ended.outcome.status, ended.live) == (0, Status.SUCCEEDED, wanted.image.digest)
    assert (ended.outcome.requested, ended.outcome.live) == (wanted.image.digest, wanted.image.digest)
    assert len(platform.changes()) == 1


async def test_another_digest_is_replaced_at_the_same_address(platform):
    before = await run(platform, await platform.release())
    wanted = await platform.release()
    ended = await run(platform, wanted)
    assert (ended.outcome.status, ended.live, ended.outcome.live) == (Status.SUCCEEDED, *[wanted.image.digest] * 2)
    assert ended.outcome.url == before.outcome.url
    assert len(platform.changes()) == 2


async def test_a_live_release_costs_no_change_and_is_a_noop(platform):
    wanted = await platform.release()
    await run(platform, wanted)
    ended = await run(platform, wanted)
    assert (ended.code, ended.outcome.status, ended.outcome.live) == (0, Status.NOOP, wanted.image.digest)
    assert len(platform.changes()) == 1


async def test_a_variable_that_differs_is_a_change_and_its_value_is_nowhere(platform):
    wanted = await platform.release(variables={"COLOUR": "bluebell"})
    await run(platform, wanted)
    same = type(wanted)(**vars(wanted) | {"variables": {}})
    ended = await run(platform, same)
    assert (ended.outcome.status, len(platform.changes())) == (Status.SUCCEEDED, 2)
    assert "variable COLOUR: removed" in ended.told[0]
    assert "bluebell" not in repr(ended)


async def test_credentials_that_expire_at_the_change_leave_its_number_to_the_next_run(platform):
    await run(platform, await platform.release())
    wanted = await platform.release()
    platform.faults.add(Fault(operation=platform.calls["update"], effect=Effect.EXPIRED))
    ended = await run(platform, wanted)
    assert (ended.code, ended.outcome.status, ended.outcome.number) == (3, Status.UNKNOWN, 2)
    assert "sign in again" in ended.outcome.diagnosis.remedy
    ended = await run(platform, wanted)
    assert (ended.outcome.status, ended.outcome.number) == (Status.SUCCEEDED, 2)


async def test_a_rollback_is_a_deployment_of_a_recorded_digest(platform):
    first, second = await platform.release(), await platform.release()
    for goal in (Live(spec=first), Live(spec=second), Live(spec=first, verb=Verb.ROLLBACK)):
        ended = await run(platform, goal)
    assert (ended.outcome.status, ended.live) == (Status.SUCCEEDED, first.image.digest)
    recorded = await platform.ledger.releases({1, 2, 3})
    assert [release.live for release in recorded] == [one.image.digest for one in (first, second, first)]


async def test_a_creation_that_fails_leaves_nothing_and_is_called_so_however_often(platform):
    for _ in range(2):
        ended = await run(platform, await platform.release(healthy=False))
        assert (ended.code, ended.outcome.status, ended.live) == (1, Status.CREATE_FAILED, None)
        assert ended.outcome.diagnosis.cause
    assert (await platform.target.observe()).state is State.CREATE_FAILED


async def test_an_update_replaces_a_failed_creation(platform):
    await run(platform, await platform.release(healthy=False))
    wanted = await platform.release()
    assert plan(wanted, await platform.target.observe()).action is Action.REBUILD
    ended = await run(platform, wanted)
    assert (ended.outcome.status, ended.live) == (Status.SUCCEEDED, wanted.image.digest)


async def test_an_update_that_does_not_become_healthy_is_rolled_back_and_called_so(platform):
    before = await platform.release()
    await run(platform, before)
    ended = await run(platform, await platform.release(healthy=False, variables={"COLOUR": "bluebell"}))
    assert (ended.code, ended.outcome.status) == (1, Status.ROLLED_BACK)
    assert ended.outcome.diagnosis.remedy.partition("; this deployment changes ")[2].startswith("variable COLOUR")
    assert (ended.live, ended.outcome.live) == (before.image.digest, before.image.digest)
    assert (await platform.target.observe()).state is State.LIVE


@pytest.mark.parametrize("mutant", [SettledByOperation, SettledByState])
async def test_an_engine_that_ignores_the_live_digest_is_caught_lying(platform, mutant):
    await run(platform, await platform.release())
    wanted = await platform.release(healthy=False)
    ended = await run(platform, mutant(spec=wanted))
    assert lies(ended, wanted).startswith("exit 0, and ")


async def test_a_newer_release_that_went_live_meanwhile_is_superseded(platform):
    """The operation has succeeded, but by the time one looks something else answers."""
    wanted, newer = await platform.release(), await platform.release()
    engine, _ = platform.engine(lambda _event: None)
    followed = engine.target.follow

    async def follow(operation):
        async for event in followed(operation):
            yield event
        await platform.update_by_hand(newer)
        await platform.clock.sleep(600)

    engine.target.follow = follow
    ended = await run(platform, wanted, target=engine.target)
    assert (ended.code, ended.outcome.status, ended.outcome.live) == (1, Status.SUPERSEDED, newer.image.digest)


async def test_a_run_waits_while_another_client_changes_the_service_and_then_plans_again(place):
    async with place(update=150) as platform:
        await platform.create_by_hand(await platform.release())
        theirs, ours = await platform.release(), await platform.release()
        await platform.update_by_hand(theirs)
        await platform.clock.sleep(10)
        observed = await platform.target.observe()
        assert (observed.state, plan(ours, observed).action) == (State.BUSY, Action.BLOCKED)
        ended = await run(platform, ours)
        newest, before, _ = platform.changes()
    assert observed.operation in next(line for line in ended.told if line.startswith("waiting: "))
    assert (ended.outcome.status, ended.live) == (Status.SUCCEEDED, ours.image.digest)
    assert before[1] is not None
    assert newest[0] >= before[1]


async def test_a_plan_that_was_approved_is_applied_and_once_the_state_has_moved_it_is_refused(platform):
    await run(platform, await platform.release())
    second, third = await platform.release(), await platform.release()
    approved = plan(second, await platform.target.observe())
    assert (await run(platform, second, approved=approved)).live == second.image.digest
    ended = await run(platform, third, approved=approved)
    assert (ended.code, ended.live, len(platform.changes())) == (1, second.image.digest, 2)
    assert "has changed since the plan was made" in ended.told[-1]


async def test_a_deleted_service_is_gone_and_can_be_created_again(platform):
    first = await platform.release()
    await run(platform, first)
    gone = Deleted("staging", "notes")
    ended = await run(platform, gone)
    assert (ended.code, ended.outcome.status, ended.live) == (0, Status.SUCCEEDED, None)
    assert (await platform.target.observe()).state is State.ABSENT
    assert (await run(platform, gone)).outcome.status is Status.NOOP
    ended = await run(platform, first)
    assert (ended.outcome.status, ended.live) == (Status.SUCCEEDED, first.image.digest)


async def test_a_service_pauses_and_resumes_or_is_not_touched_where_the_platform_has_no_pause(platform):
    wanted = await platform.release()
    await run(platform, wanted)
    before = await platform.ledger.contents()
    impossible = platform.target.impossible
    for asked in (Paused("staging", "notes"), Resumed("staging", "notes")):
        ended = await run(platform, asked)
        assert ended.code == (2 if asked.verb in impossible else 0)
        assert not ended.operations or asked.verb not in impossible
    assert await platform.live() == wanted.image.digest
    assert (await platform.ledger.contents() == before) is (Verb.PAUSE in impossible)


# The promises of a target, each sentence of `Target`.


@pytest.mark.parametrize("creating", [True, False])
async def test_an_accepted_change_is_visible_at_once_and_the_service_is_busy(platform, creating):
    if not creating:
        await platform.create_by_hand(await platform.release())
    wanted, target = await platform.release(), platform.target
    observed = await target.observe()
    operation = await target.apply(plan(wanted, observed), observed, wanted)
    assert await platform.target.newest() == operation
    assert operation.creating is creating
    assert (await platform.target.observe()).state is State.BUSY
    assert await platform.target.ending(operation) is OperationStatus.IN_FLIGHT


@pytest.mark.parametrize("healthy", [True, False])
async def test_after_an_operation_was_followed_its_result_is_observed(platform, healthy):
    before, wanted = await platform.release(), await platform.release(healthy=healthy)
    await platform.create_by_hand(before)
    target = platform.target
    observed = await target.observe()
    operation = await target.apply(plan(wanted, observed), observed, wanted)
    assert [event.line async for event in target.follow(operation)]
    observed = await target.observe()
    assert observed.state is State.LIVE
    assert observed.digest == (wanted if healthy else before).image.digest == await platform.live()
    assert await target.ending(operation) is (OperationStatus.SUCCEEDED if healthy else OperationStatus.ROLLED_BACK)


async def test_an_operation_is_shown_within_ten_seconds_also_after_a_lost_answer(platform):
    await platform.create_by_hand(await platform.release())
    before = await platform.target.newest()
    await platform.update_by_hand(await platform.release())
    await platform.clock.sleep(10)
    assert (await platform.target.newest()).id != before.id


async def test_observed_fields_have_the_names_of_the_specs(platform):
    wanted = await platform.release(
        variables={"SIZE": "large"}, secrets={"URL": "arn:aws:secretsmanager:eu-west-1:1:secret:url"}
    )
    await run(platform, wanted)
    assert (await platform.target.observe()).fields == wanted.fields()


async def test_an_operation_id_is_never_reused(platform):
    wanted, gone = await platform.release(), Deleted("staging", "notes")
    ids = [(await run(platform, one)).outcome.operation for one in (wanted, gone, wanted, gone)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("verb", ["create", "update"])
async def test_an_unknown_status_is_unknown_and_never_a_success(platform, verb):
    if verb == "update":
        await platform.create_by_hand(await platform.release())
    platform.faults.add(
        Fault(
            operation=platform.calls["look"],
            effect=Effect.UNKNOWN_STATUS,
            skip=2 if verb == "update" else 0,
            times=1000,
        )
    )
    ended = await run(platform, await platform.release())
    assert ended.code == 3
    assert ended.outcome is None or ended.outcome.status is Status.UNKNOWN
