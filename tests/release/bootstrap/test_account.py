"""An environment from nothing, in the simulated account: made, drifted, restored, never losing data, and at last destroyed."""

import copy
import json
from dataclasses import replace
from unittest.mock import AsyncMock

import pytest
from botocore.exceptions import ClientError

from slipway.environment.bootstrap import AccountSetup
from slipway.environment.destroy import destroy_everything, plan_destruction
from slipway.environment.environment import ServiceEnvironment
from slipway.errors import SlipwayError, within
from slipway.records.access import AccessDifference, ServerAccess
from slipway.records.bootstrap import Result
from slipway.records.destruction import Destruction, Removal
from slipway.records.drift import AccountDrift
from slipway.records.form import from_json, to_json
from slipway.records.outcome import Status
from slipway.records.plan import Observed
from slipway.release.bootstrap.access import ids_of
from slipway.release.bootstrap.change_set import StackChangeSet
from slipway.release.bootstrap.deletion import StackDeletion
from slipway.release.bootstrap.doors import CALLS_TAG, close, doors_of
from slipway.release.bootstrap.template import StackTemplate, stacks
from slipway.release.targets.ecs_express.target import ExpressTarget
from slipway.report.account import of_account_drift, of_bootstrap, of_destruction
from slipway.resource_kinds import kinds
from slipway.settings import Nat, Settings
from slipway.simulator.balancing import LoadBalancer
from slipway.simulator.faults import Effect, Fault
from tests.release.bootstrap.wanted import FROM_NOTHING, settings, untold
from tests.release.desired import aws_of, time_of
from tests.release.direct import opened
from tests.release.migrating import done, failed
from tests.simulator.account import SLOW, Account
from tests.simulator.stacks import body, executed, resource, settled

pytestmark = pytest.mark.slow
WANTED = settings(staging=FROM_NOTHING)
NAME, FOUNDATION, OWN = "notes-staging", "slipway-staging", "slipway-notes-staging"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret"
HOLDERS = ("DBInstance", "Secret", "Repository", "LogGroup", "VPC", "Subnet")


@pytest.fixture(scope="module")
async def account():
    """The account after a bootstrap from nothing; every test but the last leaves it as it was."""
    async with opened(pace=SLOW) as account:
        account.cloud.store.repositories.clear()
        proposed = await ground(account).propose(untold)
        assert [stack.waits_for for stack in proposed.stacks] == ["", "", "slipway-staging"]
        assert "computed from the template, because slipway-staging" in of_bootstrap(proposed)
        assert proposed.database.result is Result.WAITING
        applied = await ground(account).apply(untold, approved=proposed)
        assert [stack.result for stack in applied.stacks] == [Result.APPLIED] * 3
        yield account


def ground(account: Account, wanted: Settings = WANTED) -> AccountSetup:
    return AccountSetup(settings=wanted, environment="staging", aws=aws_of(account), time=time_of(account))


async def refusal(act) -> str:
    with pytest.raises((SlipwayError, ExceptionGroup)) as refused:
        await act
    return str(within(refused.value))


async def test_what_was_made_has_no_drift_and_is_isolated(account):
    assert [stack.result for stack in (await ground(account).propose(untold)).stacks] == [Result.UNCHANGED] * 3
    found = await ground(account).drift(untold)
    assert found.is_clean, of_account_drift(found)
    assert from_json(AccountDrift, to_json(found), "drift") == found


async def test_a_private_service_in_public_subnets_is_not_isolated_and_only_the_private_ones_are_printed(
    account, monkeypatch
):
    shown = of_bootstrap(await ground(account).propose(untold))
    ids = {each.logical: each.physical for each in account.cloud.cloudformation.stacks[FOUNDATION].resources.values()}
    public, private = (", ".join(ids[f"{kind}Subnet{zone}"] for zone in "AB") for kind in ("Public", "Private"))
    assert f"of settings with private = true: {private}" in shown
    assert "without private" not in shown
    for live, said in ((private, ()), (public, (f"in other subnets ({public}) than the private ones ({private})",))):
        monkeypatch.setattr(ExpressTarget, "observe", AsyncMock(return_value=Observed(fields={"subnets": live})))
        found = await ground(account).drift(untold)
        assert len(found.breaches) == len(said)
        assert all(each in of_account_drift(found) for each in said)
    open_to_all = settings(staging=replace(FROM_NOTHING, network=replace(FROM_NOTHING.network, private=False)))
    monkeypatch.setattr(ExpressTarget, "observe", AsyncMock(return_value=Observed(fields={"subnets": private})))
    found = await ground(account, open_to_all).drift(untold)
    assert not found.is_clean
    assert f"in other subnets ({private}) than the public ones ({public})" in of_account_drift(found)


async def test_drift_is_found_with_both_values_and_restored(account):
    await account.ask("rds", "modify_db_instance", DBInstanceIdentifier="slipway-staging", DeletionProtection=False)
    wide = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    await account.ask(
        "iam", "put_role_policy", RoleName="notes-staging-access", PolicyName="slipway", PolicyDocument=wide
    )
    rules = account.cloud.resources.models["AWS::EC2::SecurityGroupIngress"]
    (rule,) = rules.values()
    del rule["SourceSecurityGroupId"]
    rule["CidrIp"] = "0.0.0.0/0"
    found = await ground(account).drift(untold)
    differences = {(each.name, each.path): each for stack in found.stacks for each in stack.differences}
    database = differences["Database", "/DeletionProtection"]
    assert (database.expected, database.actual) == ("true", "false")
    assert {name for name, _ in differences} == {"Database", "EcsAccessRole", "DatabaseIngress"}
    assert any("the database slipway-staging accepts 0.0.0.0/0 on 5432" in breach for breach in found.breaches)
    assert "not isolated: " in of_account_drift(found)
    await ground(account).apply(untold, restores=True)
    assert (await ground(account).drift(untold)).is_clean


ANYWHERE, POSTGRES = {"CidrIp": "0.0.0.0/0"}, {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}


@pytest.mark.parametrize(
    ("operation", "asked", "said"),
    [
        (
            "authorize_security_group_ingress",
            POSTGRES | ANYWHERE | {"GroupId": "SecurityGroup"},
            "of slipway-notes-staging accepts 0.0.0.0/0 on 5432, and no template lets that in",
        ),
        (
            "create_route",
            {"DestinationCidrBlock": "198.51.100.0/24", "NatGatewayId": "nat-0123"},
            "the private subnets have a route to 198.51.100.0/24 by the NAT gateway nat-0123 (",
        ),
        ("authorize_security_group_ingress", POSTGRES | ANYWHERE, "accepts 0.0.0.0/0 on 5432 ("),
        (
            "authorize_security_group_ingress",
            {"IpPermissions": [POSTGRES | {"UserIdGroupPairs": [{"GroupId": "sg-0123"}]}]},
            "accepts the security group sg-0123 on 5432 (",
        ),
        (
            "create_route",
            {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-0123"},
            "of the database slipway-staging has a route to an internet gateway",
        ),
        ("create_route", {"DestinationIpv6CidrBlock": "::/0", "GatewayId": "igw-0123"}, "has a route to an internet"),
        ("modify_db_instance", {"PubliclyAccessible": True}, "the database slipway-staging has a public address"),
    ],
)
async def test_what_was_opened_by_hand_is_found_and_closed(account, operation, asked, said):
    stacks = [account.cloud.cloudformation.stacks[name] for name in (FOUNDATION, OWN)]
    there = {each.logical: each.physical for stack in stacks for each in stack.resources.values()}
    where = {
        "authorize_security_group_ingress": ("ec2", {"GroupId": there["DatabaseGroup"]}),
        "create_route": ("ec2", {"RouteTableId": there["PrivateRoutes"]}),
        "modify_db_instance": ("rds", {"DBInstanceIdentifier": FOUNDATION}),
    }
    service, named = where[operation]
    await account.ask(service, operation, **named | {key: there.get(str(each), each) for key, each in asked.items()})
    found = await ground(account).drift(untold)
    assert not found.is_clean
    assert any(said in breach for breach in found.breaches), found.breaches
    await ground(account).apply(untold, restores=True)
    assert (await ground(account).drift(untold)).is_clean


async def test_another_service_of_the_environment_is_no_stranger(account):
    """Its stack imports the environment's and opens the database to it."""
    (own,) = [stack for stack in stacks(WANTED, "staging") if stack.name == OWN]
    parts = {name: own.template["Resources"][name] for name in ("SecurityGroup", "DatabaseIngress")}
    other = {"StackName": "slipway-billing-staging"}
    identifier = (await executed(account, body(**parts), **other))["StackId"]
    found = await ground(account).drift(untold)
    await account.ask("cloudformation", "delete_stack", **other)
    await settled(account, identifier)
    assert found.is_clean, of_account_drift(found)


async def test_backups_that_a_person_shortened_are_restored_with_a_new_setting(account):
    await account.ask("rds", "modify_db_instance", DBInstanceIdentifier=FOUNDATION, BackupRetentionPeriod=1)
    changed = settings(staging=replace(FROM_NOTHING, database=replace(FROM_NOTHING.database, backups=14)))
    assert (await ground(account, changed).apply(untold, restores=True)).is_well
    assert (await ground(account, changed).drift(untold)).is_clean
    await ground(account).apply(untold, restores=True)


async def test_a_change_that_is_not_the_approved_one_changes_nothing(account):
    before = await ground(account).propose(untold)
    changed = settings(staging=replace(FROM_NOTHING, database=replace(FROM_NOTHING.database, backups=14)))
    said = await refusal(ground(account, changed).apply(untold, approved=before))
    assert "the approved file has other changes of slipway-staging" in said
    assert "ExecuteChangeSet" not in account.cloud.requests[-10:]


DIFFERENT = ServerAccess((AccessDifference(subject="role notes", expected="exists", actual="absent"),), is_made=False)
BY_HAND = AccessDifference(subject="secret notes/user", expected="one", actual="another", remedy="rotated by hand")


async def test_the_database_is_made_by_a_task_that_gets_passwords_from_ecs_only(account):
    (own,) = [stack for stack in stacks(WANTED, "staging") if stack.name == OWN]
    digest = await account.image(done(record=DIFFERENT))
    with_image = replace(ground(account), digest=digest)
    proposed = await with_image.propose(untold)
    assert (proposed.database.result, proposed.database.differences) == (Result.PROPOSED, DIFFERENT.differences)
    assert "  ~ role notes: exists (is absent)" in of_bootstrap(proposed)
    drift = await with_image.drift(untold)
    assert not drift.is_clean
    assert "  role notes\n      should be: exists\n      is:        absent" in of_account_drift(drift)
    account.backend.scripts[digest] = done(record=replace(DIFFERENT, is_made=True))
    assert (await with_image.apply(untold)).database.result is Result.APPLIED
    started = account.backend.started[-1]
    assert started.variables["SLIPWAY_OWNER_URL"].startswith("postgresql://notes_owner:")
    password = json.loads(account.cloud.secrets.value(f"{SECRET}:slipway-staging/slipway"))["password"]
    assert started.variables["SLIPWAY_MAIN_PASSWORD"] == password
    assert password not in repr(account.cloud.ecs.definitions.find("notes-staging-access").asked)
    assert own.template["Resources"]["DatabaseAccessRole"]["Properties"]["RoleName"] == "notes-staging-database"
    assert not [name for name in account.cloud.requests if name == "GetSecretValue"]


async def test_a_task_that_fails_or_is_denied_or_finds_a_rotated_secret_is_an_outcome_of_its_own(account):
    digest = await account.image(failed("the main user cannot log in", "store its password"))
    with_image = replace(ground(account), digest=digest)
    refused = await with_image.apply(untold)
    assert (refused.database.result, refused.is_well) == (Result.FAILED, False)
    assert "the main user cannot log in: store its password" in of_bootstrap(refused)
    account.backend.scripts[digest] = done(record=ServerAccess((BY_HAND,), is_made=False))
    assert "rotated by hand" in of_bootstrap(await with_image.apply(untold))
    account.cloud.faults.add(Fault(operation="RunTask", effect=Effect.DENIED))
    drift = await with_image.drift(untold)  # as with a role that may only read
    assert (drift.database.result, drift.is_clean) == (Result.WAITING, True)
    assert "database notes: not checked" in of_account_drift(drift)


def mutations() -> list[tuple[int, str, str]]:
    """Each property of each resource that holds data."""
    return [
        (index, name, key)
        for index, stack in enumerate(stacks(WANTED, "staging"))
        for name, resource in stack.template["Resources"].items()
        if resource["Type"].rpartition("::")[2] in HOLDERS
        for key in resource["Properties"]
    ]


def other(value):
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case list():
            return value[:-1]
        case {"Fn::Sub": _} | {"Ref": _} | {"Fn::GetAtt": _}:
            return "another"
        case dict():
            return {**value, "another": 1}
        case _:
            return {"10.20.0.0/16": "10.30.0.0/16"}.get(value, f"{value}-another")


async def loss_of(account: Account, stack: StackTemplate, name: str) -> str | None:
    async with StackChangeSet(aws_of(account), stack, time_of(account), untold).proposed() as proposal:
        return next(iter([change.loss for change in proposal.changes if change.name == name]), None)


async def test_a_mutation_of_each_property_is_refused_exactly_when_it_replaces(account):
    differing = []
    for index, name, key in mutations():
        stack = stacks(WANTED, "staging")[index]
        template = copy.deepcopy(dict(stack.template))
        resource = template["Resources"][name]
        resource["Properties"][key] = other(resource["Properties"][key])
        replaces = kinds()[resource["Type"]].recreation(key) != "Never" or key == "GenerateSecretString"
        replaces &= key not in {"AutoMinorVersionUpgrade", "BackupRetentionPeriod", "MultiAZ"}  # AWS's reference
        loss = await loss_of(account, replace(stack, template=template), name)
        if bool(loss) != replaces:
            differing.append((name, key, loss))
    assert differing == []


async def test_a_deletion_is_refused_unless_it_is_named_and_all_are_reported_at_once(account):
    without = settings(staging=replace(FROM_NOTHING, database=None))
    said = await refusal(ground(account, without).apply(untold))
    for name in ("Database", "MainUser", "ApplicationUser", "OwnerUrl"):
        assert f"--replace {name}" in said
    assert "--replace DatabaseLog" not in said  # it is retained
    shown = of_bootstrap(await ground(account, without).propose(untold)).splitlines()[-1]
    assert shown.startswith("nothing was changed; --apply is refused without --replace ")
    assert [stack.result for stack in (await ground(account).propose(untold)).stacks] == [Result.UNCHANGED] * 3


async def test_a_network_in_use_is_kept_and_a_database_is_deleted_after_what_uses_it(account):
    moved = settings(staging=replace(FROM_NOTHING, network=replace(FROM_NOTHING.network, cidr="10.30.0.0/16")))
    said = await refusal(ground(account, moved).propose(untold))
    assert "settings would replace or delete " in said
    assert (
        "in the stack slipway-staging, which AWS refuses while slipway-notes-staging uses it: write the applied" in said
    )
    without = settings(staging=replace(FROM_NOTHING, database=None))
    named = ["Database", "MainUser", "DatabaseAccessLog", "ApplicationUser", "ApplicationUrl", "OwnerUser", "OwnerUrl"]
    said = await refusal(ground(account, without).apply(untold, replace=named))
    assert (
        "the database slipway-staging is protected from deletion: set deletion-protection = false in database of [tool.slipway.environments.staging]"
        in said
    )
    await protect(account, is_on=False)
    deleted = await ground(account, without).apply(untold, replace=named)
    assert [(stack.stack, stack.result) for stack in deleted.stacks][1:] == [
        (OWN, Result.APPLIED),
        (FOUNDATION, Result.APPLIED),
    ]
    assert account.cloud.resources.models["AWS::RDS::DBInstance"] == {}
    assert len(account.cloud.databases.snapshots) == 1
    account.cloud.databases.snapshots.clear()
    assert (await ground(account).apply(untold)).is_well


async def test_other_zones_replace_subnets_which_aws_would_refuse_as_well(account):
    elsewhere = settings(
        staging=replace(FROM_NOTHING, network=replace(FROM_NOTHING.network, zones=("eu-west-1b", "eu-west-1c")))
    )
    said = await refusal(ground(account, elsewhere).apply(untold))
    assert "the change of slipway-staging replaces the subnet PrivateSubnetA (subnet-" in said
    assert "keep its zone: AWS makes the new subnet first, and refuses two with the same addresses" in said
    named = [f"{kind}Subnet{letter}" for kind in ("Private", "Public") for letter in "AB"]
    tried = await ground(account, elsewhere).apply(untold, replace=named)
    assert "conflicts with another subnet" in of_bootstrap(tried)
    assert [stack.result for stack in (await ground(account).propose(untold)).stacks] == [Result.UNCHANGED] * 3


def staging(account: Account) -> ServiceEnvironment:
    return ServiceEnvironment(
        settings=WANTED,
        name="staging",
        endpoint_url=account.cloud.url,
        time=time_of(account),
        starts=False,
        connection=aws_of(account),
    )


async def protect(account: Account, *, is_on: bool) -> None:
    await account.ask("rds", "modify_db_instance", DBInstanceIdentifier=FOUNDATION, DeletionProtection=is_on)


async def test_without_confirmation_or_with_a_protected_database_nothing_is_deleted(account):
    before = len(account.cloud.requests)
    assert "confirm with --confirm notes-staging" in await refusal(
        destroy_everything(staging(account), untold, "notes")
    )
    await account.ask(
        "cloudformation", "update_termination_protection", StackName=OWN, EnableTerminationProtection=True
    )
    stack = account.cloud.cloudformation.stacks[FOUNDATION]
    deployed, stack.template = (
        stack.template,
        replace(stack.template, body=stack.template.body.replace("Snapshot", "Delete")),
    )
    said = await refusal(destroy_everything(staging(account), untold, NAME))
    stack.template = deployed
    assert "would delete the database slipway-staging without a final snapshot" in said
    assert (
        "the database slipway-staging is protected from deletion: set deletion-protection = false in database of [tool.slipway.environments.staging]"
        in said
    )
    assert "the stack slipway-notes-staging has termination protection" in said
    assert not [name for name in account.cloud.requests[before:] if name.startswith("Delete")]
    await account.ask(
        "cloudformation", "update_termination_protection", StackName=OWN, EnableTerminationProtection=False
    )


async def test_the_foundation_is_kept_while_the_stack_of_another_service_uses_it(account):
    other = {"StackName": "slipway-billing-staging"}
    vpc = {"Fn::ImportValue": "slipway-staging-Vpc"}
    used = body(Used=resource("Logs::LogGroup", LogGroupName=vpc))
    identifier = (await executed(account, used, **other))["StackId"]
    shown = await plan_destruction(staging(account), untold)  # its protected database is no obstacle then
    removals = {each.stack: (each.removal, each.reason) for each in shown.stacks}
    assert removals[OWN] == (Removal.PROPOSED, "")
    assert removals[FOUNDATION] == (Removal.KEPT, "used by slipway-billing-staging")
    assert removals["slipway-notes-shared"][0] is Removal.KEPT
    assert (shown.bills, shown.obstacles, shown.exit_code) == (None, (), 0)
    assert "database slipway-staging (available), db.t4g.micro with 20 GB" in [each.what for each in shown.shared.lines]
    assert shown.users == ("slipway-billing-staging",)
    said = of_destruction(replace(shown, status=Status.SUCCEEDED))  # as it ends
    assert f"kept for slipway-billing-staging, {shown.shared.total}:" in said
    assert said.splitlines()[-1] == (
        "notes-staging is deleted; what staging shares is kept for slipway-billing-staging, "
        f"and still billed, about {shown.shared.dollars:.2f} $ a month"
    )
    assert "the database notes on that server, and its roles" in shown.kept
    without = replace(WANTED, environments={"staging": replace(WANTED.environment("staging"), database=None)})
    said = await refusal(ground(account, without).propose(untold))
    assert "also used by slipway-billing-staging, and these settings would destroy " in said
    assert "if all of them are to lose it, pass --replace " in said
    billed = settings(staging=replace(FROM_NOTHING, network=replace(FROM_NOTHING.network, nat=Nat.NONE)))
    said = await refusal(ground(account, billed).apply(untold))
    assert "these settings would destroy NatAddress, NatGateway, NatRoute in it" in said
    larger = settings(staging=replace(FROM_NOTHING, database=replace(FROM_NOTHING.database, class_="db.t4g.small")))
    said = await refusal(ground(account, larger).propose(untold))
    assert "also used by slipway-billing-staging, and these settings would change Database DBInstanceClass " in said
    assert "DBInstanceClass db.t4g.micro -> db.t4g.small in it" in said
    assert "pass --replace Database.DBInstanceClass with --apply" in said
    shown = of_bootstrap(
        await replace(ground(account, larger), beside=(replace(WANTED, name="billing"),)).propose(untold)
    )
    assert "Database slipway-staging (DBInstanceClass db.t4g.micro -> db.t4g.small)" in shown
    standby = settings(
        staging=replace(FROM_NOTHING, database=replace(FROM_NOTHING.database, multi_az=True, storage=30))
    )
    said = await refusal(ground(account, standby).propose(untold))
    assert "would change Database AllocatedStorage 20 -> 30, Database MultiAZ false -> true in it" in said
    older = replace(WANTED, migrations=replace(WANTED.migrations, postgres="17"))
    said = await refusal(ground(account, older).propose(untold))
    assert "settings ask for postgres 17, and the server slipway-staging has 18, which RDS cannot downgrade; " in said
    assert said.endswith('write postgres = "18" into [tool.slipway.migrations]')
    drifted = await ground(account, older).drift(untold)
    assert not drifted.is_clean
    assert "settings ask for Database EngineVersion 17, the applied template has 18" in of_account_drift(drifted)
    deletion = StackDeletion(aws_of(account), stacks(WANTED, "staging")[0], time_of(account), untold)
    refused = await deletion.run(await deletion.proposed())  # the import came after it was shown
    assert refused.removal is Removal.FAILED
    assert "cannot be deleted as it is in use by" in refused.reason
    await account.ask("cloudformation", "delete_stack", **other)
    await settled(account, identifier)


async def test_what_is_billed_is_found_without_the_stacks_and_what_cannot_be_read_is_reported(account):
    (vpc,) = account.cloud.resources.models["AWS::EC2::VPC"]
    balancers = account.cloud.ecs.express.resources.balancing.balancers
    parts = {"arn": "arn", "name": "ours", "dns": "ours.example", "security_group": "sg-1", "subnets": {}}
    balancers["arn"] = LoadBalancer(**parts, created=account.cloud.clock.now(), public=True, vpc=vpc)
    endpoint = {"Id": "vpce-1", "VpcId": vpc, "VpcEndpointType": "Interface", "ServiceName": "logs"}
    endpoint["SubnetIds"] = ["subnet-1", "subnet-2"]
    account.cloud.resources.models["AWS::EC2::VPCEndpoint"]["vpce-1"] = endpoint
    account.cloud.faults.add(Fault(operation="DescribeDBSnapshots", effect=Effect.DENIED))
    groups = account.cloud.resources.models["AWS::EC2::SecurityGroup"]
    tags = [{"Key": "Name", "Value": "web-staging"}, {"Key": CALLS_TAG, "Value": "billing notes"}]
    groups["sg-web"] = {"GroupId": "sg-web", "VpcId": vpc, "Tags": tags}
    shown = await plan_destruction(staging(account), untold)
    del groups["sg-web"]
    assert "\nstill called by web-staging: destroy these first" in of_destruction(shown)
    assert "it would be refused" in of_destruction(shown)  # its database is protected
    del balancers["arn"], account.cloud.resources.models["AWS::EC2::VPCEndpoint"]["vpce-1"]
    bills = {each.what.partition(" ")[0]: each.dollars for each in shown.bills.lines}
    assert bills == {"NAT": 35.04, "interface": 16.06, "address": 3.65, "load": 25.7, "database": 14.95}
    assert f"billed until then, {shown.bills.total}:" in of_destruction(shown)
    assert "refused rds describe_db_snapshots with AccessDenied" in shown.unread[0]


async def let_in(account: Account) -> tuple[str, list]:
    """Let the service in to a load balancer of private services, as bootstrap does; return the balancer's group and an empty list."""
    (vpc,) = account.cloud.resources.models["AWS::EC2::VPC"]
    aws, own = aws_of(account), (await ids_of(aws_of(account), OWN))["SecurityGroup"]
    group = account.cloud.ecs.express.resources.network.manage("ecs-express-gateway-alb-1", vpc)
    parts = {
        "arn": "arn",
        "name": "ecs-express-gateway-alb-1",
        "dns": "ours.example",
        "security_group": group,
        "subnets": {},
    }
    balancers = account.cloud.ecs.express.resources.balancing.balancers
    balancers["arn"] = LoadBalancer(**parts, created=account.cloud.clock.now(), public=False, vpc=vpc)
    (door,) = await doors_of(aws, vpc)
    await close(aws, replace(door, callers=(own,), rules=()))
    return group, []


async def test_a_whole_environment_is_deleted_and_its_database_leaves_a_snapshot(account):
    await protect(account, is_on=False)
    shown = await plan_destruction(staging(account), untold)
    deleted = "\n".join(each for stack in shown.stacks for each in stack.resources)
    assert "AWS::RDS::DBInstance Database slipway-staging (leaves a final snapshot)" in deleted
    assert "DatabaseLog" not in deleted
    assert "/slipway/notes-staging-access" in deleted
    assert not [each for each in shown.kept if "notes-staging-access" in each]
    group, left = await let_in(account)

    def tell(event):
        if "DELETE_COMPLETE AWS::CloudFormation::Stack slipway-notes-staging" in event.line:
            left.extend(account.cloud.ecs.express.resources.network.ingress(group))
            account.cloud.ecs.express.resources.network.unmanage(group)  # as ECS does
            account.cloud.ecs.express.resources.balancing.balancers.clear()

    ended = await destroy_everything(staging(account), tell, NAME)
    assert [rule.get("CidrIp") for rule in left] == ["0.0.0.0/0", "0.0.0.0/0"], "only the rule of slipway is taken back"
    results = [each.removal for each in ended.stacks]
    assert results == [Removal.DELETED, Removal.KEPT, Removal.DELETED], of_destruction(ended)
    assert (ended.status, ended.bills, ended.unread, ended.exit_code) == (Status.NOOP, None, (), 0)
    (snapshot,) = account.cloud.databases.snapshots
    assert f"snapshot {snapshot} of the database slipway-staging" in ended.kept
    assert any(each.startswith("repository notes with") for each in ended.kept)
    assert "log group /aws/rds/instance/slipway-staging/postgresql" in ended.kept
    assert "nothing of staging is billed by the hour any more" in of_destruction(ended)
    assert from_json(Destruction, to_json(ended), "destruction") == ended
    again = await destroy_everything(staging(account), untold, NAME)
    assert {each.removal for each in again.stacks} == {Removal.ABSENT, Removal.KEPT}
    anew = await ground(account).apply(untold)
    assert [stack.result for stack in anew.stacks] == [Result.APPLIED, Result.UNCHANGED, Result.APPLIED]
    imported = [change.name for stack in anew.stacks for change in stack.changes if change.action == "Import"]
    assert imported == ["DatabaseLog", "MigrationLog"]  # they outlived their stacks


async def test_rds_refuses_what_it_cannot_take_back_and_slipway_refuses_it_before(account):
    larger = settings(staging=replace(FROM_NOTHING, database=replace(FROM_NOTHING.database, storage=50)))
    await ground(account, larger).apply(untold)
    said = await refusal(ground(account).propose(untold))
    assert said == (
        "the settings ask for 20 GB, and the server slipway-staging has 50, which RDS cannot shrink: "
        "write storage = 50 into database of [tool.slipway.environments.staging]"
    )
    refused = {
        "cannot upgrade postgres from 18 to 17": {"EngineVersion": "17", "AllowMajorVersionUpgrade": True},
        "flag must be present": {"EngineVersion": "19", "AllowMajorVersionUpgrade": False},
        "invalid storage size": {"AllocatedStorage": 20},
    }
    for words, change in refused.items():
        with pytest.raises(ClientError, match=f"(?i){words}"):
            await account.ask("rds", "modify_db_instance", DBInstanceIdentifier=FOUNDATION, **change)
    for service, operation, asked in (
        ("rds", "delete_db_instance", {"DBInstanceIdentifier": FOUNDATION}),
        ("ec2", "delete_nat_gateway", {"NatGatewayId": "nat-0123"}),
    ):
        with pytest.raises(ClientError, match=r"is required unless|was not found"):
            await account.ask(service, operation, **asked)
