import json
from dataclasses import replace
from functools import partial

import pytest

from slipway.release.bootstrap.roles import DEPLOY_ROLE, policy, scope_of
from slipway.release.bootstrap.template import StackTemplate, stacks
from slipway.settings import Github, Nat, Scaling, Settings, SettingsError, Subjects
from tests.release.bootstrap.wanted import (
    ACCOUNT,
    FROM_NOTHING,
    FULL,
    MADE,
    NETWORK,
    OTHER_ACCOUNT,
    PARAMETER,
    SECRET,
    STAGING,
    WITH_SECRETS,
    by_a_task,
    environment,
    role,
    settings,
)

KINDS = {
    "one environment": settings(staging=STAGING),
    "without GitHub": settings(github=None, staging=WITH_SECRETS),
    "staging and production": settings(staging=WITH_SECRETS, production=environment("production")),
    "two regions": settings(staging=STAGING, far=environment("far", region="us-east-1")),
    "two accounts": settings(staging=STAGING, production=environment("production", OTHER_ACCOUNT)),
    "a private database": settings(staging=replace(WITH_SECRETS, network=NETWORK)),
    "a task that migrates": settings(staging=replace(WITH_SECRETS, migration=by_a_task("staging"))),
    "all of it": settings(staging=FULL),
    "from nothing": settings(staging=FROM_NOTHING),
    "from nothing, without NAT": settings(staging=replace(FROM_NOTHING, network=replace(MADE, nat=Nat.NONE))),
}


def templates(wanted: Settings) -> dict[str, StackTemplate]:
    return {stack.name: stack for name in wanted.environments for stack in stacks(wanted, name)}


def resources(wanted: Settings, name: str = "staging") -> dict:
    """All resources of an environment by their names in the templates."""
    made = [stack.template["Resources"] for stack in stacks(wanted, name)]
    return {key: found["Properties"] for each in made for key, found in each.items()}


def statements(found: dict) -> dict:
    (only,) = found["Policies"]
    return {statement["Sid"]: statement for statement in only["PolicyDocument"]["Statement"]}


def subjects(found: dict) -> list[str]:
    (only,) = found["AssumeRolePolicyDocument"]["Statement"]
    return only["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]


def refused(wanted: Settings, name: str = "staging") -> str:
    with pytest.raises(SettingsError) as error:
        stacks(wanted, name)
    return str(error.value)


@pytest.fixture
def lint():
    """Lint a template; cfn-lint and its rules take seconds to load."""
    from cfnlint.api import lint
    from cfnlint.config import ConfigMixIn
    from cfnlint.runner import Runner

    return partial(lint, rules=Runner(ConfigMixIn(include_checks=["I"])).rules)


@pytest.mark.slow
def test_cfn_lint_finds_nothing_in_any_kind_of_template(lint):
    union: dict = {}  # of the templates of each name, because every call costs a second
    for stack in (stack for wanted in KINDS.values() for stack in templates(wanted).values()):
        on_ecs = "EcsAccessRole" in stack.template["Resources"]  # which has the name of the other platform's role
        of_name = union.setdefault(
            (stack.name, stack.region, on_ecs), {**stack.template, "Resources": {}, "Outputs": {}}
        )
        of_name["Resources"] |= stack.template["Resources"]
        of_name["Outputs"] |= stack.template.get("Outputs", {})
    for (name, region, _), template in union.items():
        found = lint(json.dumps(template), config={"include_checks": ["I"], "regions": [region]})
        assert [f"{name}: {match.rule.id} {match.path}: {match.message}" for match in found] == []
    text = json.dumps(union["slipway-notes-shared", "us-east-1", False])
    assert lint(text.replace('"IMMUTABLE"', '"FROZEN"'))


def test_a_template_fits_into_a_call_and_gives_a_reason_for_every_resource():
    for stack in templates(KINDS["all of it"]).values():
        assert json.loads(stack.text) == stack.template
        assert len(stack.text) < 51_200  # CloudFormation's quota
        assert all(found["Metadata"]["Why"] for found in stack.template["Resources"].values())
        assert all(output["Description"] for output in stack.template["Outputs"].values())


def test_shared_resources_are_in_one_stack_that_is_the_same_from_both_environments():
    wanted = KINDS["staging and production"]
    (common, ours), (again, theirs) = stacks(wanted, "staging"), stacks(wanted, "production")
    assert common == again
    made = {"Repository", "TrialRepository", "LedgerStaging", "LedgerProduction", "GithubProvider", "ImageRole"}
    assert set(common.template["Resources"]) == made
    assert {common.name, ours.name, theirs.name} == {
        "slipway-notes-shared",
        "slipway-notes-staging",
        "slipway-notes-production",
    }
    names = [
        {found["Properties"].get("RoleName") for found in each.template["Resources"].values()}
        for each in (ours, theirs)
    ]
    assert names[0] & names[1] == set()


def test_each_account_has_its_own_shared_stack():
    (ours, _), (theirs, _) = (stacks(KINDS["two accounts"], name) for name in ("staging", "production"))
    own = [set(ours.template["Resources"]), set(theirs.template["Resources"])]
    assert (own[0] ^ own[1]) == {"LedgerStaging", "LedgerProduction"}
    assert ACCOUNT not in theirs.text
    assert OTHER_ACCOUNT not in ours.text


def test_in_a_second_region_there_is_a_second_repository_and_nothing_that_the_account_has_once():
    wanted = KINDS["two regions"]
    assert set(stacks(wanted, "far")[0].template["Resources"]) == {"Repository", "TrialRepository", "LedgerFar"}
    allowed = statements(resources(wanted)["ImageRole"])["Repository"]["Resource"]
    assert [arn.split(":")[3] for arn in allowed] == ["eu-west-1", "us-east-1"]


def test_roles_have_their_names_from_the_settings():
    made = resources(KINDS["all of it"])
    assert {key: found["RoleName"] for key, found in made.items() if "RoleName" in found} == {
        "ImageRole": "notes-image",
        "AccessRole": "notes-staging-access",
        "InstanceRole": "notes-staging-instance",
        "DeployRole": "notes-staging-deploy",
        "ExecutionRole": "notes-staging-execution",
        "TaskRole": "notes-staging-task",
    }


def test_each_role_trusts_exactly_the_service_that_is_to_have_it():
    made = resources(KINDS["all of it"])
    trusted = {
        key: found["AssumeRolePolicyDocument"]["Statement"][0]["Principal"].get("Service")
        for key, found in made.items()
        if "RoleName" in found
    }
    assert trusted == {
        "ImageRole": None,
        "DeployRole": None,
        "AccessRole": "build.apprunner.amazonaws.com",
        "InstanceRole": "tasks.apprunner.amazonaws.com",
        "ExecutionRole": "ecs-tasks.amazonaws.com",
        "TaskRole": "ecs-tasks.amazonaws.com",
    }


def test_the_instance_role_reads_exactly_the_secrets_that_the_settings_name_and_each_once():
    reading = statements(resources(KINDS["all of it"])["InstanceRole"])
    assert {key: (found["Action"], found["Resource"]) for key, found in reading.items()} == {
        "Secrets": (["secretsmanager:GetSecretValue"], [SECRET]),
        "Parameters": (["ssm:GetParameters"], [PARAMETER]),
    }


def test_the_deploy_role_has_the_generated_policy_and_nothing_else():
    (only,) = resources(KINDS["all of it"])["DeployRole"]["Policies"]
    assert only["PolicyDocument"] == policy(scope_of(KINDS["all of it"], "staging"), DEPLOY_ROLE)


@pytest.mark.parametrize(
    ("github", "wanted"),
    [
        (Github("octo/notes"), ["octo/notes"]),
        (Github("octo@7/notes@8"), ["octo@7/notes@8", "octo/notes"]),
        (Github("octo@7/notes@8", Subjects.NUMBERS), ["octo@7/notes@8"]),
    ],
)
def test_the_forms_of_the_repositorys_name_are_trusted_whole(github, wanted):
    made = resources(settings(github=replace(github, branch="trunk"), staging=STAGING))
    assert subjects(made["DeployRole"]) == [f"repo:{form}:environment:staging" for form in wanted]
    assert subjects(made["ImageRole"]) == [f"repo:{form}:ref:refs/heads/trunk" for form in wanted]


def test_an_existing_provider_is_used():
    there = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    made = resources(settings(github=Github("octo/notes", oidc_provider=there), staging=STAGING))
    assert "GithubProvider" not in made
    (only,) = made["DeployRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert only["Principal"] == {"Federated": there}


def test_the_repository_outlives_its_stack_and_takes_a_tag_once():
    found = stacks(KINDS["one environment"], "staging")[0].template["Resources"]["Repository"]
    assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert found["Properties"]["ImageTagMutability"] == "IMMUTABLE"
    assert found["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_a_private_database_lets_in_the_security_group_of_the_service_and_of_its_migration():
    made = resources(KINDS["a private database"])
    assert made["DatabaseIngress"]["GroupId"] == NETWORK.database_security_group
    assert (made["DatabaseIngress"]["FromPort"], made["DatabaseIngress"]["ToPort"]) == (5432, 5432)
    assert made["VpcConnector"]["VpcConnectorName"] == "notes-staging"


def test_the_default_cluster_is_not_made():
    task = by_a_task("staging", cluster="default")
    assert "Cluster" not in resources(settings(staging=replace(WITH_SECRETS, migration=task)))
    assert "Cluster" in resources(KINDS["a task that migrates"])


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (replace(STAGING, access_role=role("a", OTHER_ACCOUNT)), "access-role of staging is a role of the account 210987654321"),
        (replace(STAGING, access_role=role("team/a")), "access-role of staging has the path 'team/'"),
        (replace(STAGING, access_role="arn:aws:iam::123456789012:user/a"), "access-role of staging is not the ARN of a role"),
        (replace(STAGING, access_role=role("a" * 65)), "access-role of staging has a name of 65 characters"),
        (replace(STAGING, instance_role=STAGING.access_role), "notes-staging-access is named twice"),
        (replace(WITH_SECRETS, instance_role=None), "staging has secrets and no instance-role"),
        (replace(STAGING, service="a-name-of-more-than-thirty-two-letters", scaling=Scaling()), "no auto scaling"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_made_are_refused_in_one_sentence(there, said):
    assert said in refused(settings(staging=there))


def test_a_role_of_two_environments_is_refused_for_each_belongs_to_one_stack():
    production = environment("production", access_role=STAGING.access_role)
    assert "give each environment" in refused(settings(staging=STAGING, production=production))


def test_an_environment_cannot_have_the_name_of_the_shared_stack():
    assert "give it another name" in refused(settings(shared=environment("shared")), "shared")
