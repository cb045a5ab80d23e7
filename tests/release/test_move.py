"""The counterpart of a service on App Runner, its obstacles, and the records of its names."""

from dataclasses import replace

import pytest

from slipway.records.migration import Readiness
from slipway.records.plan import State
from slipway.release.bootstrap.roles import DEPLOY_ROLE, check_own, policy, scope_of
from slipway.release.bootstrap.template import own
from slipway.release.move.counted import NOTHING, Counted, worse
from slipway.release.move.counterpart import counterpart, keys_after, obstacles
from slipway.release.move.records import NEW, OLD, Destination, NameRecords, batch
from slipway.release.targets.app_runner.spec import observed_from, request_of, spec_of
from slipway.settings import ExpressEnvironment, SettingsError, parse
from tests.environment.moves import HOST, SETTINGS
from tests.release.desired import DIGEST
from tests.simulator.account import ROLE
from tests.simulator.express import EXECUTION_ROLE

HEADS = Readiness(("a",), ("a",))
APP, ECS = Destination(dns="a.awsapprunner.com"), Destination(dns="alb.elb.amazonaws.com", zone="Z3")


def settings_with(key: str = "", **tables: str):
    text = SETTINGS
    for line, value in tables.items():
        text += f"\n[tool.slipway.environments.staging.{line}]\n{value}\n"
    return parse(text.replace('variables = { A = "1" }', f'variables = {{ A = "1" }}\n{key}'))


def live_of(settings, **fields: str):
    """The service as App Runner describes it when it has just these settings."""
    spec = spec_of(settings, "staging", DIGEST).over({})
    described = request_of(spec) | {
        "ServiceArn": "arn",
        "Status": "RUNNING",
        "AutoScalingConfigurationSummary": {"AutoScalingConfigurationArn": spec.open["auto scaling"]},
    }
    live = observed_from(described, None)
    return replace(live, fields={**live.fields, **{name.replace("_", " "): value for name, value in fields.items()}})


def test_the_service_corresponds_to_one_with_the_same_size_variables_and_names():
    there = counterpart(settings_with("cpu = 4096\nmemory = 10240"), "staging").environment("staging")
    assert isinstance(there, ExpressEnvironment)
    assert (there.cpu, there.memory, there.service, there.variables) == (4096, 10240, "notes", {"A": "1"})
    sized = settings_with("scaling = { least = 2, most = 7 }")
    assert counterpart(sized, "staging").environment("staging").scaling.most == 7
    shown = keys_after(counterpart(sized, "staging"), "staging")
    plain = SETTINGS.partition("[tool.slipway.environments.staging.move]")[0].replace('target = "app-runner"', "")
    kept = [line for line in plain.splitlines() if not line.startswith(("access-role", "health-check"))]
    assert parse("\n".join([*kept, shown])).environment("staging") == counterpart(sized, "staging").environment(
        "staging"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (SETTINGS.partition("[tool.slipway.environments.staging.move]")[0], "there is no .*staging.move"),
        (SETTINGS.replace('service = "notes"', 'service = "9notes"'), "a name that both accept"),
        (SETTINGS.replace('"subnet-0a"', '"net-0a"'), "staging.move.* subnets"),
    ],
)
def test_settings_that_lead_nowhere_are_one_sentence(text, problem):
    with pytest.raises(SettingsError, match=problem):
        counterpart(parse(text), "staging")


def test_a_service_like_its_settings_has_no_obstacle():
    settings = settings_with()
    assert obstacles(settings, "staging", live_of(settings), HEADS) == ()
    assert obstacles(settings, "staging", live_of(settings), None) == ()


def test_all_obstacles_are_listed_at_once():
    own = 'instance-role = "arn:aws:iam::1:role/i"\ntags = { team = "a" }\nstart-command = "serve"\n'
    bare = SETTINGS.replace('subnets = ["subnet-0a", "subnet-0b"]', "")
    settings = parse(bare.replace("variables =", f"{own}variables ="))
    live = live_of(settings, egress="arn:vpcconnector", IP_addresses="dual-stack", tracing="arn:t", KMS_key="arn:k")
    found = obstacles(settings, "staging", live, Readiness(("b",), ("a",)))
    words = ("at a and its image at b", "start command", "IPv6", "VPC", "instance role", "tracing", "kms-key", "tags")
    assert [next((each for each in found if word in each), None) is not None for word in words] == [True] * len(words)
    assert len(found) == len(words), found


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"state": State.PAUSED, "status": "PAUSED"}, "PAUSED"),
        ({"digest": None}, "deployed by digest"),
        ({"state": State.ABSENT, "status": None}, "absent"),
    ],
)
def test_only_a_live_image_by_digest_is_moved(change, word):
    settings = settings_with()
    (found,) = obstacles(settings, "staging", replace(live_of(settings), **change), HEADS)
    assert word in found


def test_drift_and_private_ingress_and_a_tcp_check_are_obstacles():
    settings = settings_with()
    assert "memory" in obstacles(settings, "staging", live_of(settings, memory="4096"), HEADS)[0]
    assert "private" in obstacles(settings, "staging", live_of(settings, ingress="private"), HEADS)[0]
    bare = parse(SETTINGS.replace('health-path = "/healthz"', ""))
    assert "TCP" in obstacles(bare, "staging", live_of(bare), None)[0]


def test_bootstrap_makes_the_roles_of_both_platforms_and_after_the_move_those_of_ecs():
    before = settings_with(
        'secrets = { URL = "arn:aws:ssm:eu-west-1:123456789012:parameter/url" }\ninstance-role = "arn:aws:iam::123456789012:role/i"'
    )
    made = [set(own(each, "staging").template["Resources"]) for each in (before, counterpart(before, "staging"))]
    assert made == [
        {"AccessRole", "InstanceRole", "EcsAccessRole", "InfrastructureRole"},
        {"EcsAccessRole", "InfrastructureRole"},
    ]
    twice = SETTINGS.replace(EXECUTION_ROLE, ROLE)
    with pytest.raises(SettingsError, match="named twice"):
        check_own(parse(twice), "staging")


def test_the_policy_of_a_move_names_each_statement_once_and_no_deploy_role_has_it():
    scope = scope_of(parse(SETTINGS), "staging")
    sids = [each["Sid"] for each in policy(scope, ["move"])["Statement"]]
    assert (len(sids), {"Zones", "MovedService"} <= set(sids)) == (len(set(sids)), True)
    assert "move" not in DEPLOY_ROLE


def cname(value: str, **more):
    return {"Name": f"{HOST}.", "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": value}], **more}


def alias(value: str, zone: str, kind: str = "A", **more):
    target = {"HostedZoneId": zone, "DNSName": value, "EvaluateTargetHealth": True}
    return {"Name": f"{HOST}.", "Type": kind, "AliasTarget": target, **more}


def name_with(*records) -> NameRecords:
    return NameRecords(name=HOST, zone="Z1", records=records)


@pytest.mark.parametrize("simple", [cname("A.awsapprunner.com."), alias("a.awsapprunner.com.", "Z9")])
def test_a_simple_record_becomes_a_weighted_pair_and_a_simple_one_again(simple):
    name = name_with(simple)
    pair = name.weighed(10, APP, ECS)
    assert [(each["SetIdentifier"], each["Weight"], each["Type"]) for each in pair] == [
        (OLD, 90, simple["Type"]),
        (NEW, 10, simple["Type"]),
    ]
    assert [each["Action"] for each in batch(name.leading, pair)] == ["DELETE", "CREATE", "CREATE"]
    weighed = name_with(*pair)
    assert (name.percent(APP, None), weighed.percent(APP, ECS), weighed.weighed(10, APP, ECS)) == (0, 10, pair)
    for side, percent in ((APP, 0), (ECS, 100)):
        (last,) = weighed.simple(side)
        assert name_with(last).percent(APP, ECS) == percent
        assert last.get("AliasTarget", {}).get("HostedZoneId") in {None, "Z9", "Z3"}


@pytest.mark.parametrize(
    "records",
    [
        (),
        (cname("elsewhere.example.net"),),
        (alias("a.awsapprunner.com", "Z9"), alias("a.awsapprunner.com", "Z9", "AAAA")),
        (cname("a.awsapprunner.com", SetIdentifier="mine", Weight=1),),
        (cname("a.awsapprunner.com", SetIdentifier=OLD, Weight=0), cname("b", SetIdentifier=NEW, Weight=0)),
    ],
)
def test_records_of_another_kind_are_not_touched(records):
    assert HOST in name_with(*records).problem(APP, ECS)


@pytest.mark.parametrize(
    ("old", "new", "is_worse"),
    [
        ((1000, 0), (0, 0), False),
        ((1000, 0), (99, 1), True),
        ((1000, 0), (200, 2), False),
        ((1000, 50), (100, 5), False),
        ((0, 0), (0, 1), True),
    ],
)
def test_errors_count_beyond_those_of_the_old_side(old, new, is_worse):
    sides = [Counted(requests=requests, errors=errors) for requests, errors in (old, new)]
    assert bool(worse(*sides, NOTHING, NOTHING)) is is_worse


@pytest.mark.parametrize(
    ("balancer", "before", "said"),
    [
        ({"errors": 3}, {}, "3 of 103 requests with 5xx (3 by the load balancer itself)"),
        ({"errors": 3}, {"errors": 3}, ""),  # another service's, which had them before
        ({"handshakes": 60, "unknown": 60}, {}, "60 TLS handshakes failed and 60 requests had no rule"),
        ({"handshakes": 60, "unknown": 60}, {"handshakes": 30}, ""),
        ({"handshakes": 90}, {}, ""),  # scanners
    ],
)
def test_what_the_load_balancer_itself_refuses_counts_beyond_what_it_refused_before(balancer, before, said):
    new = Counted(requests=100)
    found = worse(Counted(requests=900), new, Counted(**balancer), Counted(**before))
    assert said in found
    assert bool(said) is bool(found)
