"""Every role that bootstrap makes, against every environment and action: none reaches another environment, none deletes what may be live."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.release.aws.ecr import EcrStore
from slipway.release.bootstrap.roles import IMAGE_ROLE, PERMISSIONS, scope_of
from slipway.release.bootstrap.template import stacks
from slipway.release.errors import AwsRefusedError
from slipway.release.permissions import granted
from slipway.settings.app_runner import default_scaling
from slipway.simulator.authorization import Needed, allows
from tests.release.bootstrap.wanted import FULL, NETWORK, by_a_task, environment, role, settings
from tests.release.direct import opened
from tests.release.policed import PolicedAws, hold

SETTINGS = settings(
    staging=FULL,
    production=environment(
        "production",
        instance_role=role("notes-production-instance"),
        secrets={"DATABASE_URL": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/production-Xk3bQz"},
        network=NETWORK,
        migration=replace(by_a_task("production"), cluster="notes-production"),
    ),
)
OTHER = {"staging": "production", "production": "staging"}
ROOT = Path(__file__).parents[3]
REPOSITORIES = ("notes", "notes-try", "notes-ledger-staging", "notes-ledger-production")
UPLOAD = {"CompleteLayerUpload", "InitiateLayerUpload", "PutImage", "UploadLayerPart"}
CHANGES = (
    *("BatchDeleteImage", "DeleteLifecyclePolicy", "DeleteRepository", "DeleteRepositoryPolicy", "PutImageTagMutability"),
    *("PutLifecyclePolicy", "SetRepositoryPolicy", "StartLifecyclePolicyPreview", "TagResource", *sorted(UPLOAD)),
)  # fmt: skip
IMAGES = "arn:aws:ecr:eu-west-1:123456789012:repository/notes"
SHARED = (IMAGES, default_scaling("eu-west-1", "123456789012"))  # the latter is AWS's own


def policies() -> dict[str, dict]:
    """Return the policy of each role that has one, by its name."""
    made = [
        each
        for name in SETTINGS.environments
        for stack in stacks(SETTINGS, name)
        for each in stack.template["Resources"].values()
    ]
    roles = [
        each["Properties"] for each in made if each["Type"] == "AWS::IAM::Role" and "Policies" in each["Properties"]
    ]
    return {each["RoleName"]: each["Policies"][0]["PolicyDocument"] for each in roles}


ROLES = policies()


def needs(name: str) -> Iterator[Needed]:
    """Yield what the commands need in an environment, without what AWS accepts no resource for."""
    scope = scope_of(SETTINGS, name)
    for permissions in PERMISSIONS.values():
        for resource, actions in granted(permissions, scope.grants).items():
            key, values = resource.condition or ("", (None,))
            for arn in resource.within(scope):
                if arn != "*" and key != "iam:AWSServiceName":
                    yield from (Needed(action, arn.replace("*", "x"), values[0]) for action in actions)


@pytest.mark.parametrize("name", ROLES)
def test_no_role_reaches_the_resources_of_another_environment(name):
    own = next((each for each in OTHER if each in name), None)
    theirs = [
        permission for each in OTHER if each != own for permission in needs(each) if permission.resource not in SHARED
    ]
    reached = {permission.action for permission in theirs if allows(ROLES[name], permission)}
    looks = {"apprunner:DescribeService", "apprunner:ListOperations", "apprunner:ListTagsForResource"}
    pushes = {
        f"ecr:{action}"
        for action in UPLOAD | {"BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"}
    }
    assert reached == (looks | pushes if name == "notes-image" else set())  # it plans all, and pushes into notes-try


@pytest.mark.parametrize("name", ROLES)
def test_a_role_changes_only_the_repository_that_is_for_it(name):
    """The role of staging could delete production's images, and the one of jobs without a reviewer forge its records."""
    allowed: dict[str, set[str]] = {
        repository: {
            action
            for action in CHANGES
            if allows(ROLES[name], Needed(f"ecr:{action}", f"{IMAGES.removesuffix('notes')}{repository}"))
        }
        for repository in REPOSITORIES
    }
    wanted: dict[str, set[str]] = {repository: set() for repository in REPOSITORIES}
    if name == "notes-image":
        wanted |= {"notes": UPLOAD, "notes-try": UPLOAD}
    elif name.endswith("-deploy"):
        wanted[f"notes-ledger-{name.split('-')[1]}"] = UPLOAD | {"BatchDeleteImage"}
    assert allowed == wanted


@pytest.mark.parametrize("name", ["notes-image", "notes-staging-deploy"])
async def test_productions_records_are_refused_to_others(name):
    async with opened() as account:
        hold(account, ROLES[name])
        store = EcrStore(PolicedAws(account), "notes-ledger-production")
        for act in (store.put("slipway.production.1.release", "{}"), store.discard(["slipway.production.lock"])):
            with pytest.raises(AwsRefusedError, match="is not authorized to perform"):
                await act


def test_the_page_for_other_means_names_the_commands_of_the_role_without_an_environment():
    page = (ROOT / "docs/how-to/github-oidc.md").read_text(encoding="utf-8")
    assert f" {' '.join(f'--command {verb}' for verb in IMAGE_ROLE)}\n" in page


def test_nothing_but_images_for_trials_expires():
    for name in SETTINGS.environments:
        made = stacks(SETTINGS, name)[0].template["Resources"].values()
        expiring = [each["Properties"]["RepositoryName"] for each in made if "LifecyclePolicy" in each["Properties"]]
        assert expiring == ["notes-try"]
