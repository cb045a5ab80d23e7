import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.records.form import from_json, to_json
from slipway.records.plan import Action, FieldChange, Observed, Plan
from slipway.release.engine.plan import ABSENT, fingerprint, plan
from slipway.simulator.contract import service
from tests.release.desired import DIGEST, OTHER, observed, spec
from tests.simulator.account import ROLE, URI

CHANGES = {
    "image": (spec(OTHER), f"{URI}@{OTHER}", f"{URI}@{DIGEST}"),
    "port": (spec(port=9000), "9000", "8000"),
    "health check": (spec(health_path=None), "TCP", "HTTP /healthz"),
    "cpu": (spec(cpu=2048), "2048", "1024"),
    "memory": (spec(memory=4096), "4096", "2048"),
    "access role": (spec(access_role="arn:other"), "arn:other", ROLE),
    "instance role": (spec(instance_role="arn:role"), "arn:role", "none"),
    "secret URL": (spec(secrets={"URL": "arn:secret"}), "arn:secret", None),
}
ACTIONS = {
    "RUNNING": Action.UPDATE,
    "CREATE_FAILED": Action.REBUILD,
    "DELETED": Action.CREATE,
    "OPERATION_IN_PROGRESS": Action.BLOCKED,
    "PAUSED": Action.BLOCKED,
    "DELETE_FAILED": Action.BLOCKED,
}


def test_without_a_service_everything_is_created():
    made = plan(spec(), Observed())
    assert made.action is Action.CREATE
    assert {change.name: change.after for change in made.changes} == {
        name: value for name, value in spec().fields().items() if value != ABSENT
    }
    assert {change.before for change in made.changes} == {None}
    assert (made.environment, made.service, made.image) == ("staging", "notes", str(spec().image))


@pytest.mark.parametrize(("there", "notes"), [(Observed(), 1), (observed(spec(OTHER)), 0)], ids=["first", "later"])
def test_the_first_release_on_a_database_that_slipway_does_not_migrate_is_noted(there, notes):
    assert len(plan(spec(), there, migrates=False).notes) == notes
    assert plan(spec(), there).notes == ()


def test_the_fields_of_a_deleted_service_do_not_matter():
    made = plan(spec(), observed(spec(OTHER), "DELETED"))
    assert made.action is Action.CREATE
    assert {change.before for change in made.changes} == {None}


def test_an_equal_service_is_not_touched():
    made = plan(spec(), observed(spec()))
    assert (made.action, made.changes) == (Action.NOOP, ())


@pytest.mark.parametrize("name", CHANGES)
def test_each_field_that_differs_is_a_change(name):
    there, before, after = CHANGES[name]
    made = plan(spec(), observed(there))
    assert made.action is Action.UPDATE
    assert made.changes == (FieldChange(name, before, after),)


def test_a_change_by_hand_shows_as_drift():
    made = plan(spec(), observed(spec(), fields=spec().fields() | {"automatic deployments": "true"}))
    assert (made.action, made.changes) == (
        Action.UPDATE,
        (FieldChange("automatic deployments", "true", "false"),),
    )


def test_a_field_that_an_update_cannot_remove_blocks_and_is_named():
    by_hand = observed(spec(), fields=spec().fields() | {"start command": "serve --by-hand"})
    made = plan(spec(), replace(by_hand, inherited=("start command",)))
    assert (made.action, made.changes) == (Action.BLOCKED, (FieldChange("start command", "serve --by-hand", "none"),))
    assert "cannot remove the start command serve --by-hand" in made.reason


def test_a_field_that_an_update_cannot_remove_may_be_replaced():
    there = replace(observed(spec(instance_role="arn:aws:iam::1:role/old")), inherited=("instance role",))
    assert plan(spec(instance_role="arn:aws:iam::1:role/new"), there).action is Action.UPDATE


@pytest.mark.parametrize(
    ("there", "wanted", "before", "after"),
    [
        ({}, {"COLOUR": "blue"}, False, True),
        ({"COLOUR": "red"}, {}, True, False),
        ({"COLOUR": "red"}, {"COLOUR": "blue"}, True, True),
    ],
    ids=["new", "gone", "other"],
)
def test_a_variable_that_differs_is_a_change(there, wanted, before, after):
    (change,) = plan(spec(variables=wanted), observed(spec(variables=there))).changes
    assert change.name == "variable COLOUR"
    assert (change.before is not None, change.after is not None) == (before, after)


def test_every_state_of_the_service_model_has_its_action():
    states = service("apprunner").shape_for("ServiceStatus").metadata["enum"]
    assert {state: plan(spec(), observed(spec(OTHER), state)).action for state in states} == ACTIONS


def test_an_unknown_state_blocks_and_is_named():
    made = plan(spec(), observed(spec(), "HIBERNATING"))
    assert made.action is Action.BLOCKED
    assert "HIBERNATING" in made.reason


@pytest.mark.parametrize(
    ("status", "operation", "reason"),
    [
        ("OPERATION_IN_PROGRESS", "UPDATE_SERVICE 7", "UPDATE_SERVICE 7"),
        ("OPERATION_IN_PROGRESS", None, "the platform names none"),
        ("PAUSED", None, "`slipway resume` wakes it"),
        ("DELETE_FAILED", None, "DELETE_FAILED"),
    ],
)
def test_a_blocked_plan_has_a_reason(status, operation, reason):
    assert reason in plan(spec(), observed(spec(OTHER), status, operation=operation)).reason


def test_a_failed_creation_is_rebuilt_also_when_nothing_differs():
    """The reason why it did not become healthy may be outside of its configuration."""
    assert plan(spec(), observed(spec(), "CREATE_FAILED", digest=None)).action is Action.REBUILD


@settings(max_examples=25)
@given(st.text(min_size=4), st.text(min_size=4))
def test_the_values_of_variables_are_in_no_plan(before, after):
    there, wanted = spec(variables={"TOKEN": before}), spec(variables={"TOKEN": after})
    made = plan(wanted, observed(there))
    (changes,) = [[change for change in made.changes if change.name == "variable TOKEN"]]
    assert len(changes) == (before != after)
    for shown in (change for found in changes for change in (found.before, found.after)):
        assert shown.startswith("pbkdf2:")
        assert len(shown) == len("pbkdf2:") + 12
    one, other = plan(spec(variables={"ONE": before, "OTHER": before}), Observed()).changes[-2:]
    assert one.after != other.after  # salted with the name
    assert "hunter2" not in to_json(plan(spec(variables={"TOKEN": "hunter2"}), Observed()))
    assert "hunter2" not in repr(spec(variables={"TOKEN": "hunter2"}))


@settings(max_examples=25)
@given(st.sampled_from([*ACTIONS, None]), st.sampled_from([DIGEST, OTHER]), st.sampled_from([8000, 9000]))
def test_a_plan_is_made_of_its_inputs_alone(status, digest, port):
    there = observed(spec(digest, port=port), status) if status else Observed()
    assert plan(spec(), there) == plan(spec(), there)


def test_a_plan_is_good_only_for_the_state_it_was_made_from():
    there = observed(spec())
    states = [
        Observed(),
        there,
        observed(spec(OTHER)),
        observed(spec(), "PAUSED"),
        observed(spec(), operation="UPDATE_SERVICE 7"),
        observed(spec(), fields=spec().fields() | {"automatic deployments": "true"}),
    ]
    assert len({plan(spec(), state).fingerprint for state in states}) == len(states)
    turned = observed(spec(), fields=dict(reversed(spec().fields().items())))
    assert fingerprint(turned) == fingerprint(there)


def test_a_deleted_service_that_is_no_longer_listed_is_the_same_state():
    assert fingerprint(observed(spec(), "DELETED")) == fingerprint(Observed())


def test_a_plan_is_saved_and_read():
    made = plan(spec(), observed(spec(OTHER)))
    assert from_json(Plan, to_json(made), "plan.json") == made
    assert json.loads(to_json(made))["schema"] == "slipway/plan/1"
