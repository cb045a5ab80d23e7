"""Calls between the services of a repository: their variables, their order, and calls that cannot be."""

import random

import pytest

from slipway.errors import BadInputError
from slipway.release.bootstrap.template import check_same_foundation
from slipway.settings import parse, variable_of
from slipway.settings.calls import graph_of, unreachable
from tests.simulator.express import EXECUTION_ROLE, INFRASTRUCTURE_ROLE

PRIVATE = 'network = { managed = true, cidr = "10.20.0.0/16", private = true, nat = "one" }'


def service(name, *calls, more="", there=PRIVATE, target="ecs-express", environment="production"):
    infrastructure = f'infrastructure-role = "{INFRASTRUCTURE_ROLE}"' if target == "ecs-express" else ""
    return parse(f"""
[tool.slipway]
name = "{name}"
command = ["serve"]
calls = {list(calls)}
{more}
[tool.slipway.environments.{environment}]
target = "{target}"
region = "eu-west-1"
account = "123456789012"
access-role = "{EXECUTION_ROLE}"
{infrastructure}
{there}
""")


def graph(*services):
    return graph_of({f"services/{each.name}": each for each in services})


def test_the_variable_of_a_called_service_follows_from_its_name():
    assert variable_of("billing") == "BILLING_URL"
    assert variable_of("tax-rates.v2") == "TAX_RATES_V2_URL"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"calls": ["web"]}, r"calls\[0\]: found 'web', the service itself"),
        ({"calls": ["a-b", "a.b"]}, r"calls\[1\]: found 'a.b', and another one has its variable, A_B_URL"),
        ({"calls": ["billing", "billing"]}, "another one has its variable, BILLING_URL"),
        (
            {"calls": ["billing"], "there": 'variables = { BILLING_URL = "x" }'},
            "whose address is in BILLING_URL, which environments.production has too",
        ),
        (
            {"calls": ["database"], "more": 'migrations = { database-variable = "DATABASE_URL" }'},
            "whose address is in DATABASE_URL, which migrations.database-variable has too",
        ),
    ],
)
def test_a_call_whose_variable_is_taken_is_refused_when_the_settings_are_read(settings, words):
    with pytest.raises(BadInputError, match=words):
        service("web", *settings.pop("calls"), **settings)


def test_callees_come_first_and_the_order_is_always_the_same():
    services = [service("web", "billing", "ledger"), service("billing", "ledger"), service("ledger"), service("admin")]
    for _ in range(5):
        random.shuffle(services)
        assert graph(*services).order == ("admin", "ledger", "billing", "web")
    assert graph(*services).callers("ledger") == ("billing", "web")


def test_every_call_that_cannot_be_is_named_at_once():
    with pytest.raises(BadInputError) as error:
        graph(service("web", "biling", "mailer"), service("billing"))
    first, second = map(str, error.value.obstacles)
    assert first.startswith("web calls biling, which is no service of this repository: did you mean billing?")
    assert "web calls mailer, which is no service of this repository: it has billing" in second
    with pytest.raises(BadInputError) as error:
        graph(*(service(*pair) for pair in (("aa", "bb"), ("bb", "aa"), ("cc", "dd"), ("dd", "ee"), ("ee", "cc"))))
    assert [str(each).partition(" form")[0] for each in error.value.obstacles] == [
        "the calls of aa -> bb -> aa",
        "the calls of cc -> dd -> ee -> cc",
    ]
    with pytest.raises(BadInputError, match="in one and two are both called web: rename one"):
        graph_of({"one": service("web"), "two": service("web")})


@pytest.mark.parametrize(
    ("web", "billing", "words"),
    [
        ({}, {"environment": "staging"}, "web calls billing, which is not in production: add"),
        ({}, {"there": PRIVATE.replace(", private = true", "")}, "tasks are in public subnets, behind a public load"),
        ({}, {"there": ""}, "the callee is in no network: add a network table"),
        ({"there": ""}, {}, "the caller is in no network: give it the network of the callee"),
        ({}, {"target": "app-runner"}, "on App Runner a service has a private address only with a VPC ingress"),
    ],
)
def test_a_call_without_a_private_way_is_one_sentence(web, billing, words):
    found = graph(service("web", "billing", **web), service("billing", **billing))
    (error,) = unreachable(found, "web", "production")
    assert words in str(error)


def test_a_service_on_app_runner_may_call_a_private_one_in_its_network():
    public = PRIVATE.replace(", private = true", "")
    found = graph(service("web", "billing", there=public, target="app-runner"), service("billing"))
    assert not [*unreachable(found, "web", "production")]


def test_services_that_describe_their_environment_differently_are_named_before_the_stack_is_touched():
    check_same_foundation([service("web"), service("billing"), service("apart", there="")], "production")
    other = service("ledger", there=PRIVATE.replace("10.20", "10.30"))
    public = service("front", there=PRIVATE.replace(", private = true", ""))
    check_same_foundation([service("web"), public], "production")  # with NAT both have the same resources
    with pytest.raises(BadInputError, match="billing, web and ledger describe different networks or databases of"):
        check_same_foundation([service("web"), other, service("billing")], "production")
