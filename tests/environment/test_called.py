"""A service that calls another gets its private address, as the account reports it, and is not deployed without one."""

from dataclasses import replace

import pytest

from slipway.environment.called import connected
from slipway.environment.redeploy import CompatibilityEvidence, rollback
from slipway.errors import BadInputError, RefusedError
from slipway.records.outcome import Status
from slipway.release.bootstrap.roles import policy, scope_of
from slipway.release.errors import AwsRefusedError
from tests.environment.several import Repository, repository, settings_of
from tests.release.policed import PolicedAws, hold


def ignore(_event):
    pass


@pytest.fixture
async def shop():
    async with repository(settings_of("web", "billing", subnets="public"), settings_of("billing")) as made:
        yield made


async def deployed(shop: Repository, name: str) -> Status:
    environment = await shop.connected(name)
    return (await environment.deploy(await shop.image(name), ignore)).status


async def test_a_callee_that_is_not_there_yet_is_one_sentence_with_the_way(shop):
    with pytest.raises(
        RefusedError, match="web calls billing, which has not been deployed in staging yet: deploy bill"
    ):
        await shop.connected("web")


async def test_the_caller_gets_the_private_address_that_the_account_reports(shop):
    assert await deployed(shop, "billing") is Status.SUCCEEDED
    assert await deployed(shop, "web") is Status.SUCCEEDED
    host = shop.service("billing").gateway.front.address
    assert shop.variables("web")["BILLING_URL"] == f"http://{host}"
    assert "WEB_URL" not in shop.variables("billing")
    environment = await shop.connected("web")
    observed = await environment.status()
    assert not environment.spec(observed.digest).fields().items() - observed.fields.items()  # nothing is left to change


async def test_the_roles_of_a_caller_and_of_no_other_service_may_read_addresses(shop):
    await deployed(shop, "billing")
    caller = replace(shop.environment("web"), connection=PolicedAws(shop.account))
    for verb in ("plan-without-ledger", "preflight", "deploy", "rollback"):
        hold(shop.account, policy(scope_of(shop.services["web"], "staging"), [verb]))
        assert (await connected(caller, shop.folders)).addresses
    hold(shop.account, policy(scope_of(shop.services["billing"], "staging"), ["deploy"]))
    with pytest.raises(AwsRefusedError, match="ecs:DescribeExpressGatewayService"):
        await connected(
            caller.with_settings(settings_of("web", "ledger")),
            {"a": settings_of("web", "ledger"), "b": settings_of("ledger")},
        )


async def test_a_public_callee_has_no_private_address(shop):
    shop.services["billing"] = settings_of("billing", subnets="public")
    await deployed(shop, "billing")
    with pytest.raises(RefusedError, match="the address of billing in staging is public: its subnets are public"):
        await shop.connected("web")


async def test_calls_that_cannot_be_are_refused_before_aws_is_asked(shop):
    shop.services["web"] = settings_of("web", "biling", "mailer")
    before = len(shop.account.cloud.requests)
    with pytest.raises(BadInputError) as error:
        await shop.connected("web")
    assert len(error.value.obstacles) == 2
    assert len(shop.account.cloud.requests) == before


async def test_a_rollback_takes_the_present_address_and_the_recorded_one_where_the_call_is_gone(shop):
    await deployed(shop, "billing")
    await deployed(shop, "web")
    first = shop.variables("web")["BILLING_URL"]
    shop.services["web"] = settings_of("web", subnets="public")
    assert await deployed(shop, "web") is Status.SUCCEEDED
    assert "BILLING_URL" not in shop.variables("web")
    outcome = await rollback(await shop.connected("web"), ignore, None, CompatibilityEvidence(reason="a test"))
    assert outcome.status is Status.SUCCEEDED
    assert shop.variables("web")["BILLING_URL"] == first
