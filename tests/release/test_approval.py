"""A plan is saved, approved, and exactly that plan is applied; the oracle is the account's requests."""

from dataclasses import replace

import pytest

from slipway.errors import BadInputError, RefusedError
from slipway.records.form import from_json, to_json
from slipway.records.outcome import Status
from slipway.records.plan import Action, FieldChange, Observed, Plan
from slipway.release.engine.plan import check_belongs, check_still_true, plan
from tests.release.desired import MUTATING, OTHER, deployed, observed, spec, target_of
from tests.simulator.account import asked
from tests.simulator.scripted import Script

UNHEALTHY = Script(healthy=False)


async def planned(account, wanted):
    """A plan as it comes back from the file that was approved."""
    made = plan(wanted, await target_of(account).observe())
    return from_json(Plan, to_json(made), "plan.json")


async def arn_of(account):
    (service,) = (await account.ask("apprunner", "list_services"))["ServiceSummaryList"]
    return service["ServiceArn"]


async def refused(account, wanted, approved):
    """The refusal, when nothing was changed before it."""
    before = len(account.cloud.requests)
    with pytest.raises(RefusedError) as error:
        await deployed(account, wanted, approved)
    assert not [request for request in account.cloud.requests[before:] if request.startswith(MUTATING)]
    return error.value


async def test_an_approved_plan_is_applied_to_the_state_it_was_checked_against(account):
    first, second = await account.image(), await account.image()
    await deployed(account, spec(first))
    done = await deployed(account, spec(second), await planned(account, spec(second)))
    assert (done.outcome.status, done.outcome.live) == (Status.SUCCEEDED, second)
    change = done.requests.index("UpdateService")
    looks = [request for request in done.requests[:change] if request == "DescribeService"]
    assert len(looks) == 3  # to plan, before the turn and within it; that last one is held against what was approved


async def test_a_creation_can_be_approved(account):
    digest = await account.image()
    done = await deployed(account, spec(digest), await planned(account, spec(digest)))
    assert (done.outcome.status, done.changes) == (Status.SUCCEEDED, ["CreateService"])


async def test_a_plan_is_refused_after_another_deployment(account):
    first, second, third = await account.image(), await account.image(), await account.image()
    await deployed(account, spec(first))
    approved = await planned(account, spec(second))
    await deployed(account, spec(third))
    error = await refused(account, spec(second), approved)
    now = plan(spec(second), await target_of(account).observe()).fingerprint
    assert error.what == (
        f"the live state of notes has changed since the plan was made, from {approved.fingerprint} to {now}"
    )
    assert error.next_step == "make a new plan and have it approved"


async def test_a_plan_is_refused_when_something_was_changed_by_hand_that_it_would_not_touch(account):
    """The deployment would correct it, but that change is not in the approved plan."""
    first, second = await account.image(), await account.image()
    await deployed(account, spec(first))
    approved = await planned(account, spec(second))
    by_hand = {"SourceConfiguration": {**asked(first)["SourceConfiguration"], "AutoDeploymentsEnabled": True}}
    await account.update(await arn_of(account), **by_hand)
    assert "the live state of notes has changed" in (await refused(account, spec(second), approved)).what


async def test_a_plan_is_refused_when_the_settings_were_edited_since(account):
    first, second = await account.image(), await account.image()
    await deployed(account, spec(first))
    approved = await planned(account, spec(second))
    error = await refused(account, spec(second, cpu=2048, variables={"COLOUR": "blue"}), approved)
    assert "would no longer change what the plan says (cpu, variable COLOUR)" in error.what
    assert error.next_step == "make a new plan and have it approved"


async def test_a_plan_that_was_applied_already_is_done_and_changes_nothing(account):
    """The job runs again: the state differs from the plan's because it is the approved one."""
    first, second = await account.image(), await account.image()
    await deployed(account, spec(first))
    approved = await planned(account, spec(second))
    await deployed(account, spec(second), approved)
    again = await deployed(account, spec(second), approved)
    assert (again.outcome.status, again.outcome.live, again.changes) == (Status.NOOP, second, [])
    assert again.outcome.status.exit_code == 0


async def test_a_plan_to_do_nothing_does_nothing_while_nothing_has_changed(account):
    first, second = await account.image(), await account.image()
    await deployed(account, spec(first))
    approved = await planned(account, spec(first))
    assert approved.action is Action.NOOP
    done = await deployed(account, spec(first), approved)
    assert (done.outcome.status, done.changes) == (Status.NOOP, [])
    await deployed(account, spec(second))
    assert "the live state of notes has changed" in (await refused(account, spec(first), approved)).what


async def test_a_plan_whose_first_try_was_rolled_back_may_be_tried_again(account):
    """The platform has brought back exactly the state that the plan was made from."""
    first, second = await account.image(), await account.image(UNHEALTHY)
    await deployed(account, spec(first))
    approved = await planned(account, spec(second))
    for _ in range(2):
        done = await deployed(account, spec(second), approved)
        assert (done.outcome.status, done.changes) == (Status.ROLLED_BACK, ["UpdateService"])


def test_a_release_live_with_other_settings_than_the_approved_ones_is_not_done():
    there = observed(spec(OTHER))
    approved = plan(spec(port=9000), there)
    live = observed(spec(port=7000))
    with pytest.raises(RefusedError, match="the live state of notes has changed"):
        check_still_true(approved, plan(spec(port=7000), live), live)


def test_the_order_of_changes_does_not_matter():
    there = observed(spec(OTHER, port=9000))
    made = plan(spec(), there)
    check_still_true(replace(made, changes=tuple(reversed(made.changes))), made, there)


def test_a_plan_that_names_another_image_than_its_changes_is_refused():
    """The file has been edited."""
    there = observed(spec())
    approved = replace(plan(spec(), there), image=str(spec(OTHER).image))
    with pytest.raises(RefusedError, match=r"no longer change what the plan says \(image\)"):
        check_still_true(approved, plan(spec(OTHER), there), there)


def test_text_of_a_plan_file_is_shown_in_one_line():
    there = observed(spec(OTHER))
    made = plan(spec(), there)
    changed = (*made.changes, FieldChange("a\nb\x1b[2J", None, "1"))
    with pytest.raises(RefusedError, match=r"\(a b\)"):
        check_still_true(replace(made, changes=changed), made, there)


@pytest.mark.parametrize(
    ("environment", "service", "said"),
    [
        ("production", "notes", "is for notes in staging, not for notes in production"),
        ("staging", "letters", "is for notes in staging, not for letters in staging"),
    ],
)
def test_a_plan_for_another_place_is_bad_input(environment, service, said):
    with pytest.raises(BadInputError, match=said):
        check_belongs(plan(spec(), Observed()), environment, service)


def test_a_plan_that_is_blocked_is_bad_input():
    blocked = plan(spec(), observed(spec(OTHER), "PAUSED"))
    with pytest.raises(
        BadInputError, match=r"the plan is blocked \(the service is paused; `slipway resume` wakes it\): make a new"
    ):
        check_belongs(blocked, "staging", "notes")


def test_a_plan_belongs_where_it_was_made():
    check_belongs(plan(spec(), Observed()), "staging", "notes")
