"""A release's settings in the ledger, and a rollback that restores them, also from an empty folder."""

from dataclasses import replace

import pytest

from slipway.environment.environment import recorded
from slipway.environment.redeploy import CompatibilityEvidence, plan_rollback, rollback
from slipway.environment.specification import restored, settings_of, specification_of
from slipway.errors import RefusedError
from slipway.records.outcome import Status
from slipway.release.bootstrap.roles import roles_of
from slipway.report.release import of_history
from slipway.settings import Settings
from tests.environment.environments import SETTINGS, Place
from tests.release.bootstrap.wanted import FULL, settings
from tests.release.desired import aws_of, time_of
from tests.release.direct import send_directly

PROVEN = CompatibilityEvidence(reason="a test")
SECRETS = {
    "API_TOKEN": "x",
    "db_password": "x",
    "BROKER": "amqp://app:kanarie@broker/",
    "CACHE": "redis://:kan/arie@cache/0",
    "SALT": "0123456789abcdef0123456789abcdef",
    "ID": "aB3dE6gH9jK2mN5pQ8sT1vW4",
    "OWN": "marked",
}
PLAIN = {
    "LEVEL": "debug",
    "PASSENGERS": "4",
    "BUCKET": "the-assets-of-production-2026",
    "URL": "https://shop.example.org/a:b@c",
    "PAGE": "http://shop.example.org:8080/@a",
    "PEER": '{"url":"http://peer:8080","owner":"a@b"}',
    "DATA": f"x://y:{'z' * 4000}@",
    "EMPTY": "",
}


def varied(own=None, **changes) -> Settings:
    staging = replace(SETTINGS.environment("staging"), **changes)
    return replace(SETTINGS, environments={"staging": staging}, **(own or {}))


def test_values_of_variables_are_recorded_unless_they_are_secret_or_look_like_it():
    kept = specification_of(varied(variables=SECRETS | PLAIN, unrecorded=("OWN",)), "staging")
    assert kept.hidden.keys() == SECRETS.keys()
    assert settings_of(kept, "staging", "release 1").environment("staging").variables == PLAIN
    assert not any(value in str(kept) for value in SECRETS.values() if len(value) > 1)
    assert specification_of(varied(variables=SECRETS), "staging").hidden != kept.hidden  # salted


def test_settings_are_restored_with_every_field_and_a_hidden_value_only_from_a_checkout_that_has_it():
    every = replace(settings(staging=replace(FULL, variables=SECRETS)), health_path="/h", smoke_paths=("/",), port=81)
    kept = specification_of(every, "staging")
    back = restored(kept, "staging", "release 1", SECRETS)
    assert back.environments == every.environments
    assert (back.name, back.port, back.health_path, back.smoke_paths) == ("notes", 81, "/h", ("/",))
    assert roles_of(back, "staging")
    for present in ({}, SECRETS | {"API_TOKEN": "rotated"}):
        with pytest.raises(RefusedError, match=r"release 1 had values of .*API_TOKEN.* that were not recorded"):
            restored(kept, "staging", "release 1", present)


def test_settings_of_a_later_version_are_refused_with_a_way_out():
    kept = specification_of(SETTINGS, "staging")
    later = replace(kept, settings=kept.settings.replace('"port"', '"ports"'))
    with pytest.raises(RefusedError, match=r"cannot read the settings of release 3 \(ports: unknown key"):
        settings_of(later, "staging", "release 3")


async def released(place: Place, wanted: Settings, digest: str) -> None:
    outcome = await place.environment.with_settings(wanted).deploy(digest, place.tell)
    assert outcome.status is Status.SUCCEEDED, outcome


@pytest.mark.slow
async def test_a_rollback_restores_image_and_settings_from_the_ledger_alone(account, staging, monkeypatch):
    """It deployed the older image with the variables of the folder that it ran in."""
    arn, first = {}, await staging.image("aaa")
    wanted = varied(variables={"LEVEL": "debug"}, own={"port": 8001})
    await released(staging, wanted, first)
    await released(staging, varied(variables={"LEVEL": "info", "NEW": "1"}, memory=4096), await staging.image("aaa"))
    second, former = (await staging.environment.history()).releases
    assert (former.changes, second.changes) == (
        (),
        ("port: 8001 -> 8000", "memory: 2048 -> 4096", "variable LEVEL: another value", "variable NEW: added"),
    )
    assert ", variable LEVEL: another value, " in " ".join(of_history(await staging.environment.history()).split())
    plan = await plan_rollback(staging.environment.with_settings(varied(variables={"OTHER": "1"})), None)
    assert {change.name for change in plan.changes} == {"image", "port", "memory", "variable LEVEL", "variable NEW"}
    send_directly(monkeypatch, account.cloud)
    anywhere = await recorded("staging", "notes", aws_of(account), time_of(account))
    outcome = await rollback(anywhere, staging.tell, None, PROVEN)
    assert (outcome.status, outcome.live) == (Status.SUCCEEDED, first)
    (service,) = account.cloud.app_runner.services.values()
    arn = {"ServiceArn": service.arn}
    described = (await account.ask("apprunner", "describe_service", **arn))["Service"]
    configured = described["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]
    assert (configured["RuntimeEnvironmentVariables"], configured["Port"]) == ({"LEVEL": "debug"}, "8001")
    assert described["InstanceConfiguration"]["Memory"] == "2048"
    again = await staging.environment.with_settings(wanted).plan(first)
    assert again.changes == ()


@pytest.mark.slow
async def test_a_rollback_also_goes_back_from_a_bad_variable_of_the_same_image(staging):
    digest = await staging.image("aaa")
    await released(staging, varied(variables={"LEVEL": "debug"}), digest)
    await released(staging, varied(variables={"LEVEL": "loud"}), digest)
    plan = await plan_rollback(staging.environment, None)
    assert [change.name for change in plan.changes] == ["variable LEVEL"]
    kept = await plan_rollback(staging.environment, 1, image_only=True)
    assert [(change.name, change.after) for change in kept.changes] == [("variable LEVEL", None)]
    assert "only the image goes back" in kept.notes[-1]


@pytest.mark.slow
async def test_a_release_that_ran_elsewhere_is_not_restored_there(staging):
    await released(staging, SETTINGS, await staging.image("aaa"))
    with pytest.raises(
        RefusedError, match=r"release 1 was notes-staging on app-runner in .*, and staging is notes-new"
    ):
        await plan_rollback(staging.environment.with_settings(varied(service="notes-new")), 1)


async def test_an_environment_without_recorded_settings_is_not_opened_from_elsewhere(account, monkeypatch):
    send_directly(monkeypatch, account.cloud)
    with pytest.raises(RefusedError, match="the ledger of notes in eu-west-1 has no release of staging"):
        await recorded("staging", "notes", aws_of(account), time_of(account))
