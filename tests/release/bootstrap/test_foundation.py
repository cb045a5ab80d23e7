"""The stack that an environment's services share: its settings, template, prices."""

import json
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path

import cfnlint
import pytest

from slipway.environment.environment import ServiceEnvironment, wall_clock
from slipway.errors import RefusedError, SlipwayError
from slipway.records.bootstrap import (
    Bootstrap,
    DatabaseChange,
    ResourceChange,
    ResourceFailure,
    Result,
    StackChange,
    ValueChange,
)
from slipway.records.drift import AccountDrift, PropertyDrift, StackDrift
from slipway.records.gate import MAJORS
from slipway.release.bootstrap.losses import check_losses
from slipway.release.bootstrap.template import stacks
from slipway.release.prices import CLASSES, cost_of
from slipway.release.targets.ecs_express.spec import spec_of
from slipway.report.account import of_account_drift, of_bootstrap
from slipway.settings import (
    ManagedDatabase,
    ManagedNetwork,
    MigrationRunner,
    Migrations,
    Nat,
    RunnerKind,
    Settings,
    parse,
)
from tests.release.bootstrap.wanted import by_a_task, environment, express, role, settings

NETWORK = ManagedNetwork(managed=True, cidr="10.10.0.0/16")
PRIVATE = ManagedNetwork(managed=True, cidr="10.20.0.0/16", private=True, nat=Nat.ONE)
DATABASE = ManagedDatabase(managed=True)


WANTED = settings(
    staging=express("staging", network=NETWORK, database=DATABASE),
    production=express("production", network=PRIVATE, database=ManagedDatabase(managed=True, class_="db.t4g.small")),
)


def foundation(wanted: Settings, name: str = "staging") -> dict:
    (stack, _, _) = stacks(wanted, name)
    return {key: found["Properties"] for key, found in stack.template["Resources"].items()}


def refusals(wanted: Settings, name: str = "staging") -> list[str]:
    with pytest.raises(SlipwayError) as error:
        stacks(wanted, name)
    return [str(each) for each in error.value.obstacles]


@pytest.mark.parametrize(("name", "public_ip"), [("staging", True), ("production", False)])
def test_a_made_database_is_migrated_by_a_task_beside_the_service(name, public_ip):
    placed = replace(WANTED.environments[name], subnets=("subnet-0a1b2c3d",), security_groups=("sg-0a1b2c3d",))
    found = settings(**{name: placed})
    runner = MigrationRunner(
        runner=RunnerKind.ECS_TASK,
        subnets=placed.subnets,
        security_groups=placed.security_groups,
        execution_role=role(f"notes-{name}-migration"),
        public_ip=public_ip,
    )
    assert found.environment(name).migration == runner
    made = stacks(found, name)[-1].template["Resources"]
    assert made["ExecutionRole"]["Properties"]["RoleName"] == f"notes-{name}-migration"
    assert f"notes-{name}/DATABASE_URL/owner" in json.dumps(made["ExecutionRole"])
    assert made["MigrationLog"]["Properties"]["LogGroupName"] == f"/slipway/notes-{name}"
    own = replace(placed, migration=by_a_task(name))
    assert settings(**{name: own}).environment(name).migration == own.migration
    assert WANTED.environment(name).migration is None  # before bootstrap has printed the subnets


def test_a_dozen_lines_of_settings_are_two_environments():
    found = parse("""
        [tool.slipway]
        name = "notes"
        command = ["notes"]
        [tool.slipway.environments.production]
        target = "ecs-express"
        region = "eu-west-1"
        account = "123456789012"
        access-role = "arn:aws:iam::123456789012:role/notes-production-access"
        infrastructure-role = "arn:aws:iam::123456789012:role/notes-production-infrastructure"
        network = { managed = true, private = true, nat = "one", cidr = "10.20.0.0/16" }
        database = { managed = true, class = "db.t4g.small", storage = 20, multi-az = true }
    """).environment("production")
    assert found.network == PRIVATE
    assert found.database == ManagedDatabase(managed=True, class_="db.t4g.small", multi_az=True)
    secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes-production/DATABASE_URL"
    assert found.secrets == {"DATABASE_URL": secret}


@pytest.mark.parametrize(
    ("cidr", "said"),
    [
        ("10.0.0.0/25", "cidr: found /25, allowed is /16"),
        ("10.0.0.0/8", "cidr: found /8"),
        ("10.0.0.1/16", "has host bits set"),
        ("8.8.0.0/16", "allowed is a private range"),
        ("ten", "allowed is a range such as 10.20.0.0/16"),
    ],
)
def test_a_range_that_aws_or_a_neighbour_refuses_is_one_sentence(cidr, said):
    with pytest.raises(ValueError, match=said):
        ManagedNetwork(managed=True, cidr=cidr)


def test_one_zone_is_too_few_for_a_database():
    with pytest.raises(ValueError, match="zones: found eu-west-1a, allowed are two"):
        replace(NETWORK, zones=("eu-west-1a",))


def test_zones_are_those_of_the_region():
    (said,) = refusals(
        settings(staging=environment("staging", network=replace(NETWORK, zones=("us-east-1a", "us-east-1b"))))
    )
    assert said.startswith(
        "staging is in eu-west-1, and the zones us-east-1a, us-east-1b are not: write zones of eu-west-1"
    )


def test_a_deleted_secret_is_restored_before_its_stack():
    kind, name = "AWS::SecretsManager::Secret", "notes/user"
    gone = PropertyDrift(name="User", kind=kind, physical=name, path="", expected="present", actual="deleted")
    stack = StackDrift(stack="s", region="eu-west-1", differences=(gone,))
    restore = "restore it: aws secretsmanager restore-secret --secret-id notes/user --region eu-west-1"
    said = of_account_drift(AccountDrift(environment="production", stacks=(stack,)))
    assert restore in said
    assert said.endswith("restores the templates' values, once the deleted secrets are restored\n")
    reason = "a secret with this name is already scheduled for deletion."
    failed = ResourceFailure(name="User", kind=kind, reason=reason, physical=name)
    failure = StackChange(stack="s", region="eu-west-1", result=Result.FAILED, is_new=False, failures=(failed,))
    assert restore in of_bootstrap(Bootstrap(environment="production", stacks=(failure,)))


def test_all_obstacles_of_an_environment_are_reported_at_once():
    wanted = settings(
        staging=environment("staging", network=replace(PRIVATE, cidr="10.20.128.0/17")),
        production=environment(
            "production", network=PRIVATE, database=ManagedDatabase(managed=True, class_="db.t4g.smal")
        ),
    )
    found = refusals(replace(wanted, migrations=Migrations(postgres="13")), "production")
    assert [said.partition(":")[0] for said in found] == [
        "the networks of staging and production overlap",
        "production is private, and App Runner has no internal load balancer",
        "the database of production has a class that RDS has not for Postgres, 'db.t4g.smal'",
        "production has a managed database, and there is no Postgres '13' on RDS",
    ]
    assert "choose one such as db.t4g.small" in found[2]


def test_a_managed_database_needs_a_managed_network():
    assert (
        "managed database and no managed network"
        in refusals(settings(staging=express("staging", database=DATABASE)))[0]
    )


def test_two_stacks_of_one_name_are_refused():
    wanted = settings(**{"notes-x": environment("notes-x", network=NETWORK), "x": environment("x")})
    assert "two stacks would be called slipway-notes-x" in refusals(wanted, "notes-x")[0]


def test_the_stack_of_an_environment_knows_no_service():
    other = replace(WANTED, name="billing")
    assert stacks(WANTED, "staging")[0] == stacks(other, "staging")[0]
    assert stacks(WANTED, "staging")[0].tags == {"slipway:environment": "staging"}


def test_subnets_are_in_two_zones_and_do_not_overlap():
    found = foundation(WANTED)
    subnets = {name: each for name, each in found.items() if "Subnet" in name and "CidrBlock" in each}
    ranges = [IPv4Network(each["CidrBlock"]) for each in subnets.values()]
    assert len(subnets) == 4
    assert not [one for one in ranges for other in ranges if one is not other and one.overlaps(other)]
    assert all(each.subnet_of(NETWORK.addresses) for each in ranges)
    smallest = replace(NETWORK, cidr="192.168.4.0/24")
    assert smallest.subnets(public=False) == ("192.168.4.64/27", "192.168.4.96/27")


def test_production_has_a_standby_and_every_database_is_protected_and_leaves_a_snapshot():
    for name in ("staging", "production"):
        (stack, _, _) = stacks(WANTED, name)
        database = stack.template["Resources"]["Database"]
        assert (database["DeletionPolicy"], database["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot")
        kept = ("StorageEncrypted", "PubliclyAccessible", "DeletionProtection", "MultiAZ")
        assert [database["Properties"][key] for key in kept] == [True, False, True, name == "production"]


def test_private_tasks_without_nat_reach_aws_by_endpoints():
    quiet = foundation(settings(staging=express("staging", network=replace(PRIVATE, nat=Nat.NONE))))
    assert sum("Endpoint" in name and name != "EndpointGroup" for name in quiet) == 4
    assert "NatGateway" not in quiet
    assert {"NatGateway", "NatRoute"} <= set(foundation(WANTED, "production"))


def test_the_service_owns_nothing_in_its_database_and_its_migrations_do():
    wanted = replace(WANTED, migrations=replace(WANTED.migrations, driver="postgresql+asyncpg"))
    (_, _, own) = stacks(wanted, "staging")
    urls = {name: json.dumps(own.template["Resources"][name]["Properties"]) for name in ("ApplicationUrl", "OwnerUrl")}
    assert "postgresql+asyncpg://notes:" in urls["ApplicationUrl"]
    assert "postgresql+asyncpg://notes_owner:" in urls["OwnerUrl"]
    assert WANTED.database_secrets("staging", owner=True)["DATABASE_URL"].endswith(":notes-staging/DATABASE_URL/owner")
    assert "DATABASE_URL-??????" in json.dumps(own.template["Resources"]["EcsAccessRole"])
    assert "/owner" not in json.dumps(own.template["Resources"]["EcsAccessRole"])


def test_every_variable_that_takes_the_url_or_parts_of_it_gets_the_made_database_unless_the_settings_have_a_value():
    templates = {
        "WRITER_DB__URI": "{url}",
        "DB_HOST": "{host}",
        "LOGIN": "{user}:{password}",
        "TEST_DB_URL": "{url}",
        "X": "{x}",
    }
    wanted = replace(WANTED, migrations=replace(WANTED.migrations, variables=templates))
    url = wanted.environment("staging").secrets["DATABASE_URL"]
    made = {"WRITER_DB__URI": url, "DB_HOST": f"{url}/parts/DB_HOST", "LOGIN": f"{url}/parts/LOGIN"}
    assert wanted.environment("staging").secrets == {**WANTED.environment("staging").secrets, **made}
    assert wanted.database_secrets("staging", owner=True)["LOGIN"] == f"{url}/owner/parts/LOGIN"
    resources = stacks(wanted, "staging")[2].template["Resources"]
    made = [resources[each]["Properties"] for each in ("OwnerPartDbHost", "OwnerPartLogin")]
    assert {each["Name"]: each["SecretString"]["Fn::Sub"][0] for each in made} == {
        "notes-staging/DATABASE_URL/owner/parts/DB_HOST": "${Host}",
        "notes-staging/DATABASE_URL/owner/parts/LOGIN": "notes_owner:{{resolve:secretsmanager:${OwnerUser}:SecretString:password}}",
    }
    assert "/LOGIN-??????" in json.dumps(resources["EcsAccessRole"])
    assert "8 secrets of the service" in {each.what for each in cost_of(wanted, "staging").lines}
    env = replace(wanted.environments["staging"], variables={"WRITER_DB__URI": "postgresql://elsewhere/notes"})
    own = replace(wanted, environments={**wanted.environments, "staging": env})
    assert "WRITER_DB__URI" not in own.environment("staging").secrets


def test_a_service_that_calls_another_still_migrates_as_the_owner_of_its_tables():
    there = ServiceEnvironment(settings=WANTED, name="staging", endpoint_url=None, time=wall_clock())
    for each in (there, there.with_addresses({"BILLING_URL": "https://billing.example"})):
        (secret,) = each.resolved.database_secrets("staging", owner=True).values()
        assert secret.endswith("/owner")


def test_no_password_is_in_a_template():
    for name in ("staging", "production"):
        for stack in stacks(WANTED, name):
            assert "password" not in stack.text.replace(":SecretString:password}}", "").replace('"password"', "")


def test_cost_is_known_before_anything_is_made():
    staging, production = cost_of(WANTED, "staging"), cost_of(WANTED, "production")
    told = {line.what: line.dollars for line in production.lines}
    assert told["NAT gateway with its address"] == 38.69
    assert told["database, 2 x db.t4g.small with 20 GB"] == 56.18
    assert told["load balancer, shared by up to 25 services"] == 18.4  # a private one has no public address
    assert {line.what: line.dollars for line in staging.lines}["database, db.t4g.micro with 20 GB"] == 14.95
    assert staging.dollars < production.dollars
    assert production.total.endswith(" a month, at the prices of eu-west-1 of 2026-11-30")
    far = replace(WANTED, environments={"staging": replace(WANTED.environments["staging"], region="sa-east-1")})
    assert cost_of(far, "staging").total.endswith(
        "at the prices of us-east-1 of 2026-11-29; those of sa-east-1 differ by some tens of percent"
    )
    there = replace(WANTED.environments["production"], subnets=("subnet-1",), security_groups=("sg-1",))
    wanted = replace(WANTED, environments={"production": there}, health_path="/")
    (note,) = spec_of(wanted, "production", f"sha256:{'0' * 64}").first_notes
    assert (
        f"the service and what it shares in production cost {production.total}: " in note
    )  # of a deployment, the same as of bootstrap
    odd = settings(staging=express("staging", network=NETWORK, database=replace(DATABASE, class_="db.m7g.large")))
    assert [line.what for line in cost_of(odd, "staging").lines if line.dollars is None] == [
        "database, db.m7g.large with 20 GB"
    ]
    assert cost_of(odd, "staging").total.startswith("at least ")
    network = replace(WANTED.environments["production"].network, private=False)
    public = replace(WANTED.environments["production"], network=network)
    mixed = cost_of(WANTED, "production", [replace(WANTED, name="web", environments={"production": public})])
    assert [(line.what.partition(",")[0], line.dollars) for line in mixed.beside][1:] == [
        ("another load balancer with 2 public addresses", 25.7)
    ]
    web = replace(WANTED, name="web")
    production = cost_of(WANTED, "production", [web])
    (own,) = production.beside
    assert own.dollars == round(production.dollars - production.shared, 2)
    shown = of_bootstrap(Bootstrap(environment="production", stacks=(), cost=production))
    together = production.dollars + own.dollars
    assert f"  with web ({own.dollars:.2f} $) of this repository: about {together:.2f} $ a month for the env" in shown
    assert "  prices of 2026-11-30, from aws.amazon.com/rds/postgresql/pricing" in shown
    assert "  113.67 $ of it is for what the services of the environment share; a further one like this adds" in shown


def test_classes_and_majors_are_those_of_rds():
    folder = Path(cfnlint.__file__).parent / "data/schemas/extensions/aws_rds_dbinstance"
    versions = _enum(json.loads((folder / "engine_version.json").read_text()), "EngineVersion")
    assert {str(major) for major in MAJORS} <= versions
    text = (folder / "dbinstanceclass_enum.json").read_text()
    assert [name for name in CLASSES if f'"{name}"' not in text] == []


def _enum(schema: dict, name: str) -> set[str]:
    for rule in schema["allOf"]:
        if rule["if"]["properties"]["Engine"].get("const") == "postgres":
            return set(rule["then"]["properties"][name]["enum"])
    raise AssertionError(schema)


def test_a_loss_is_judged_by_kind_action_and_what_becomes_of_the_old_resource():
    change = partial(ResourceChange, name="X")
    database, secret = "AWS::RDS::DBInstance", "AWS::SecretsManager::Secret"
    assert change(action="Remove", kind=database, policy="Snapshot").loss == "deletes the database"
    assert change(action="Remove", kind="AWS::Logs::LogGroup", policy="Retain").loss is None
    assert change(action="Modify", kind="AWS::EC2::VPC", replacement="Conditional").loss == "may replace the VPC"
    assert change(action="Modify", kind="AWS::EC2::Subnet", replacement="True").loss == "replaces the subnet"
    assert change(action="Modify", kind="AWS::EC2::Route", replacement="True").loss is None
    assert change(action="Remove", kind="AWS::EC2::NatGateway", policy="Delete").is_taken
    assert not change(action="Remove", kind="AWS::Logs::LogGroup", policy="Retain").is_taken
    assert not change(action="Modify", kind="AWS::EC2::NatGateway", replacement="False").is_taken
    assert change(action="Modify", kind=database, replacement="False").loss is None
    again = change(action="Modify", kind=secret, replacement="False", properties=("GenerateSecretString",))
    assert again.loss == "generates a new value for the secret"
    versions = {("18.1", "17"): True, ("17", "18"): False, ("17.4", "17"): False, ("none", "17"): False}
    for (before, after), is_lower in versions.items():
        value = ValueChange(name="EngineVersion", before=before, after=after)
        assert bool(change(action="Modify", kind=database, values=(value,)).lowered) is is_lower
    stack = StackChange(stack="s", region="r", result=Result.PROPOSED, is_new=False, changes=(again,))
    with pytest.raises(RefusedError, match="if its contents may be lost, pass --replace X"):
        check_losses([stack], ())
    with pytest.raises(RefusedError) as several:
        check_losses([stack] * 9, ())
    assert (len(several.value.obstacles), several.value.exit_code) == (9, 1), "each is printed as a line of its own"
    check_losses([stack], ("X",))


def test_drift_is_rendered_with_both_values_and_a_verdict():
    differs = PropertyDrift(
        name="Database", kind="AWS::RDS::DBInstance", physical="p", path="/MultiAZ", expected="true", actual="false"
    )
    stack = StackDrift(stack="s", region="r", differences=(differs,), unchecked=("AWS::EC2::EIP NatAddress",))
    drifted = AccountDrift(environment="production", stacks=(stack,), breaches=("it is open",), not_covered="x")
    assert of_account_drift(drifted) == (
        "s in r: 1 difference\n"
        "  AWS::RDS::DBInstance Database p /MultiAZ\n"
        "      template: true\n"
        "      account:  false\n"
        "  not checked: AWS::EC2::EIP NatAddress\n"
        "not isolated: it is open\n"
        "not covered: x\n"
        "the account differs from the templates; --drift --apply restores the templates' values\n"
    )
    assert not drifted.is_clean
    clean = replace(drifted, stacks=(), breaches=())
    assert clean.is_clean
    assert of_account_drift(clean).endswith("\nall resources match the templates\n")
    unread = DatabaseChange(name="notes", owner="notes_owner", result=Result.WAITING, reason="no image is live")
    assert of_account_drift(replace(clean, database=unread)).endswith("; the roles in the database were not read\n")


def test_a_quota_that_is_used_up_has_its_remedy():
    reason = "The maximum number of VPCs has been reached. (Service: Ec2, Status Code: 400)"
    failed = ResourceFailure(name="Vpc", kind="AWS::EC2::VPC", reason=reason)
    stack = StackChange(
        stack="slipway-staging", region="eu-west-1", result=Result.FAILED, is_new=True, failures=(failed,)
    )
    assert "quota is used up: ask for a higher one" in of_bootstrap(Bootstrap(environment="staging", stacks=(stack,)))
