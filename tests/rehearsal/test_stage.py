"""A rehearsal plays on the target of the settings or of --target, with the service's own variables and secrets."""

import pytest

from slipway.errors import BadInputError
from slipway.rehearsal.stage import LEGACY, on_stage, stand_ins, target_named
from slipway.release.move.counterpart import counterpart
from slipway.release.targets.supported import target_of
from slipway.settings import ExpressEnvironment, Settings, TargetKind, parse

ROLE = "arn:aws:iam::210987654321:role"
SECRET = "arn:aws:secretsmanager:us-east-1:210987654321:secret:key"
SERVICE = """
[tool.slipway]
name = "{name}"
command = ["serve"]
health-path = "/"

[tool.slipway.migrations]
database-variable = "DATABASE_URL"
"""
ENVIRONMENT = f"""
[tool.slipway.environments.{{name}}]
target = "{{target}}"
region = "us-east-1"
account = "210987654321"
access-role = "{ROLE}/access"
variables = {{{{ MODE = "calm" }}}}
secrets = {{{{ KEY = "{SECRET}" }}}}
"""
EXPRESS = f"""infrastructure-role = "{ROLE}/infrastructure"
subnets = ["subnet-1"]
cpu = 512
memory = 1024
"""


def settings(*targets: str, name: str = "notes") -> Settings:
    """Settings with environments, each written as NAME on TARGET."""
    text = SERVICE.format(name=name)
    for environment, _, target in (each.partition(" on ") for each in targets):
        text += ENVIRONMENT.format(name=environment, target=target) + (EXPRESS if target == "ecs-express" else "")
    return parse(text)


@pytest.mark.parametrize(
    ("environments", "target"),
    [
        ((), TargetKind.ECS_EXPRESS),
        (("staging on ecs-express", "production on app-runner"), TargetKind.APP_RUNNER),
        (("production on ecs-express", "old on app-runner"), TargetKind.ECS_EXPRESS),
        (("live on app-runner",), TargetKind.APP_RUNNER),
        (("one on app-runner", "two on ecs-express"), TargetKind.ECS_EXPRESS),
    ],
)
def test_the_target_is_productions_or_the_only_one_and_otherwise_express_mode(environments, target):
    assert target_named(None, settings(*environments)) is target
    assert target_named("app-runner", settings(*environments)) is TargetKind.APP_RUNNER


def test_a_target_that_does_not_exist_is_bad_input():
    with pytest.raises(BadInputError, match=r"no target 'fargate': use one of app-runner, ecs-express"):
        target_named("fargate", settings())


@pytest.mark.parametrize("target", TargetKind)
@pytest.mark.parametrize("own", ["", "staging on app-runner", "staging on ecs-express"])
def test_an_environment_of_either_target_is_played_on_either(target, own):
    staged, values = on_stage(settings(*filter(None, [own])), target, {"staging": "postgresql://here/notes"})
    spec = target_of(staged, "staging").spec(staged, "staging", f"sha256:{0:064}")
    there = staged.environments["staging"]
    assert there.target is target
    assert (there.region, there.account) == ("eu-west-1", "123456789012")
    assert all(":123456789012:" in role for role in there.roles.values())
    assert "postgresql://here/notes" in values.values()
    if own:
        assert spec.variables["MODE"] == "calm"
        assert values[spec.secrets["KEY"]] == "rehearsal"


def test_what_only_an_account_of_ones_own_has_is_left_out_and_the_size_is_kept():
    staged, _ = on_stage(settings("staging on ecs-express"), TargetKind.ECS_EXPRESS, {"staging": "postgresql://here/x"})
    there = staged.environments["staging"]
    assert isinstance(there, ExpressEnvironment)
    assert (there.subnets, there.cpu, there.memory) == ((), 512, 1024)


@pytest.mark.parametrize("name", ["my_notes", "team.notes", "4notes", "notes-of-a-department-with-a-long-name"])
def test_a_service_whose_name_is_no_label_is_rehearsed_under_another(name):
    staged, _ = on_stage(settings(name=name), TargetKind.ECS_EXPRESS, {"production": "postgresql://here/x"})
    assert staged.service_name("production").startswith("s-")
    assert len({staged.service_name(each) for each in (LEGACY, "production")}) == 2
    assert staged.service_name(LEGACY) == counterpart(staged, LEGACY).service_name(LEGACY)


def test_values_that_the_rehearsal_makes_up_are_named():
    text = SERVICE + '[tool.slipway.migrations.variables]\nMODE = "x"\nSIGNING_KEY = "x"\nDB_HOST = "{host}"\n'
    (alone,) = stand_ins(parse(text.format(name="notes", host="{host}")))
    assert alone.startswith("[tool.slipway.migrations] sets MODE, SIGNING_KEY here")
    own = ENVIRONMENT.format(name="production", target="app-runner")
    unset, secrets = stand_ins(parse(text.format(name="notes", host="{host}") + own))
    assert unset.startswith("[tool.slipway.migrations] sets SIGNING_KEY here")
    assert secrets == "the secrets KEY have made-up values"
