"""Settings of an account: GitHub's repository, a private network, scaling, health checks."""

import pytest

from slipway.release.targets.app_runner.spec import spec_of
from slipway.settings import (
    Github,
    HealthPace,
    Network,
    Scaling,
    SettingsError,
    Subjects,
    TargetGroupPace,
    TargetKind,
    parse,
)
from slipway.structure import MismatchError

STAGING = """
[tool.slipway]
name = "notes"
command = ["notes"]
[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "arn:aws:iam::123456789012:role/a"
"""
NETWORK = {"vpc": "vpc-1", "subnets": ("subnet-1",), "database_security_group": "sg-1"}


def test_tables_of_an_environment_and_of_github_are_read():
    found = parse("""
        [tool.slipway]
        name = "notes"
        command = ["notes"]
        [tool.slipway.github]
        repository = "octo@7/notes@8"
        subjects = "numbers"
        [tool.slipway.environments.staging]
        target = "app-runner"
        region = "eu-west-1"
        account = "123456789012"
        access-role = "arn:aws:iam::123456789012:role/a"
        network = { vpc = "vpc-1", subnets = ["subnet-1"], database-security-group = "sg-1", database-port = 5433 }
        scaling = { concurrency = 50, least = 2, most = 4 }
    """)
    assert found.github == Github("octo@7/notes@8", Subjects.NUMBERS)
    assert found.environment("staging").network == Network(
        vpc="vpc-1", subnets=("subnet-1",), database_security_group="sg-1", database_port=5433
    )
    assert found.environment("staging").scaling == Scaling(50, 2, 4)


@pytest.mark.parametrize(
    "repository", ["notes", "octo/", "octo/no tes", "octo@7/notes", "octo/notes@8", "o/n/m", "o@x/n@8"]
)
def test_a_repository_has_numbers_for_owner_and_name_or_for_neither(repository):
    with pytest.raises(MismatchError, match="OWNER@OWNER_ID/NAME@NAME_ID"):
        Github(repository)


def test_trusting_numbers_only_needs_a_repository_with_numbers():
    with pytest.raises(MismatchError, match="repository has none"):
        Github("octo/notes", Subjects.NUMBERS)


@pytest.mark.parametrize(
    ("changed", "at"),
    [
        ({"vpc": "1"}, "vpc"),
        ({"subnets": ()}, "subnets"),
        ({"subnets": ("subnet-1", "eu-west-1a")}, "subnets[1]"),
        ({"database_security_group": "default"}, "database-security-group"),
        ({"database_port": 0}, "database-port"),
    ],
)
def test_a_network_is_identified_by_ids(changed, at):
    with pytest.raises(MismatchError) as refused:
        Network(**{**NETWORK, **changed})
    assert refused.value.at == at


@pytest.mark.parametrize("numbers", [(0, 1, 1), (201, 1, 1), (1, 0, 1), (1, 2, 1), (1, 1, 26)])
def test_scaling_is_within_app_runners_limits(numbers):
    with pytest.raises(MismatchError):
        Scaling(*numbers)


def test_the_pace_of_the_health_check_belongs_to_an_environment_and_reaches_the_desired_service():
    table = "health-check = { interval = 10, timeout = 5, healthy-threshold = 2, unhealthy-threshold = 12 }\n"
    wanted = parse(STAGING + table)
    pace = HealthPace(interval=10, timeout=5, healthy_threshold=2, unhealthy_threshold=12)
    assert wanted.environment("staging").health_check == pace
    assert spec_of(wanted, "staging", "sha256:1").pace == pace
    plain = spec_of(parse(STAGING), "staging", "sha256:1")
    assert plain.pace == HealthPace(interval=5, timeout=2, healthy_threshold=1, unhealthy_threshold=5)
    assert plain.open == {}


def test_every_part_that_can_be_left_open_is_a_setting():
    connector, tracing = (
        f"arn:aws:apprunner:eu-west-1:123456789012:{kind}/own1/1/{1:032}"
        for kind in ("vpcconnector", "observabilityconfiguration")
    )
    table = f"""\
ingress = "private"
ip-addresses = "dual-stack"
vpc-connector = "{connector}"
tracing = "{tracing}"
kms-key = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000001"
auto-scaling = "{connector.replace("vpcconnector", "autoscalingconfiguration")}"
health-check = {{}}
start-command = "serve --all"
tags = {{ team = "notes" }}
"""
    wanted = spec_of(parse(STAGING + table), "staging", "sha256:1")
    assert set(wanted.open) == set(wanted.over({}).open)
    assert (wanted.open["ingress"], wanted.start_command, wanted.tags) == ("private", "serve --all", {"team": "notes"})
    none = spec_of(parse(STAGING + 'vpc-connector = "none"\ntracing = "none"\n'), "staging", "sha256:1")
    assert none.open == {"egress": "internet", "tracing": "none"}


@pytest.mark.parametrize("key", ["interval", "timeout", "healthy-threshold", "unhealthy-threshold"])
@pytest.mark.parametrize("value", [0, 21])
def test_a_health_check_that_app_runner_does_not_accept_is_refused_by_its_key(key, value):
    with pytest.raises(SettingsError) as refused:
        parse(f"{STAGING}health-check = {{ {key} = {value} }}\n")
    assert str(refused.value) == (
        f"pyproject.toml: [tool.slipway] environments.staging.health-check.{key}: found {value}, allowed is 1 to 20"
    )


EXPRESS = STAGING.replace("app-runner", "ecs-express") + 'infrastructure-role = "arn:aws:iam::123456789012:role/i"\n'


def test_options_of_a_target_are_unknown_to_another():
    there = parse(EXPRESS).environment("staging")
    assert (there.target, there.health_check) == (TargetKind.ECS_EXPRESS, TargetGroupPace())
    with pytest.raises(
        SettingsError, match=r"staging\.vpc-connector: found with target 'ecs-express', only target 'app-runner' has it"
    ):
        parse(f'{EXPRESS}vpc-connector = "arn:x"\n')
    with pytest.raises(SettingsError, match=r"scaling.concurrency: found with target 'ecs-express'"):
        parse(f"{EXPRESS}scaling = {{ concurrency = 1 }}\n")
    with pytest.raises(
        SettingsError, match="missing, it must be the ARN of the role with which ECS makes load balancer"
    ):
        parse(STAGING.replace("app-runner", "ecs-express"))
    with pytest.raises(
        SettingsError, match=r"infrastructure-role: found with target 'app-runner', only target 'ecs-express' has it"
    ):
        parse(EXPRESS.replace("ecs-express", "app-runner"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("memory = 512", "memory: found cpu 1024 with memory 512, allowed are 256 with 512 to 2048"),
        ('variables = { PORT = "80" }', "variables.PORT: found a name that slipway sets"),
        ("health-check = { timeout = 5 }", "health-check.timeout: found 5, allowed is less than interval, 5"),
        ("health-check = { healthy-threshold = 1 }", "health-check.healthy-threshold: found 1, allowed is 2 to 10"),
        ("scaling = { least = 3, most = 2 }", "scaling.most: found least 3 and most 2"),
        ("scaling = { value = 101 }", "scaling.value: found 101 percent"),
        ('subnets = ["eu-west-1a"]', "subnets[0]: found 'eu-west-1a'"),
    ],
)
def test_an_option_of_ecs_express_that_it_does_not_accept_is_refused_by_its_key(line, said):
    with pytest.raises(SettingsError) as refused:
        parse(f"{EXPRESS}{line}\n")
    assert f"environments.staging.{said}" in str(refused.value)


@pytest.mark.parametrize("name", ["a.b", "shop_1", "9lives", "s" * 41])
def test_a_service_whose_name_is_no_label_of_an_address_is_refused_on_ecs_express(name):
    with pytest.raises(SettingsError, match="cannot be called"):
        parse(f'{EXPRESS}service = "{name}"\n').service_name("staging")
