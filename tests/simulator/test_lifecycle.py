"""Lifecycle policies and the mutability of tags in ECR."""

import json
from typing import Any

import pytest

from slipway.oci.artifact import INDEX, digest_of
from tests.simulator.account import Account

NOTES = {"repositoryName": "notes"}
DAY = 24 * 3600


def rule(priority: int, kind: str, number: int, status: str = "tagged", **selection: Any) -> dict[str, Any]:
    unit = {"countUnit": "days"} if kind == "sinceImagePushed" else {}
    selected = {"tagStatus": status, "countType": kind, "countNumber": number, **unit, **selection}
    return {"rulePriority": priority, "selection": selected, "action": {"type": "expire"}}


def policy(*rules: dict[str, Any]) -> dict[str, str]:
    return {**NOTES, "lifecyclePolicyText": json.dumps({"rules": rules}).ljust(100)}


async def put(account: Account, tag: str, **document: Any) -> str:
    content = json.dumps({"is": tag, **document})
    await account.ask("ecr", "put_image", **NOTES, imageManifest=content, **({"imageTag": tag} if tag else {}))
    await account.cloud.clock.sleep(1)
    return digest_of(content.encode())


async def tags(account: Account) -> list[str]:
    images = (await account.ask("ecr", "list_images", **NOTES))["imageIds"]
    return sorted(image.get("imageTag", "untagged") for image in images)


async def test_images_expire_by_the_first_rule_that_selects_them(account):
    for tag in ("keep-1", "keep-2", "build-1", "build-2", "build-3", ""):
        await put(account, tag)
    rules = (
        rule(1, "imageCountMoreThan", 5, tagPrefixList=["keep"]),
        rule(2, "imageCountMoreThan", 1, tagPatternList=["*uild*"]),
        rule(3, "sinceImagePushed", 2, "any"),
    )
    await account.ask("ecr", "put_lifecycle_policy", **policy(*rules))
    await account.cloud.clock.sleep(DAY - 60)
    assert len(await tags(account)) == 6
    await account.cloud.clock.sleep(60)
    assert await tags(account) == ["build-3", "keep-1", "keep-2", "untagged"]
    await account.cloud.clock.sleep(2 * DAY)
    assert await tags(account) == ["build-3", "keep-1", "keep-2"]
    read = await account.ask("ecr", "get_lifecycle_policy", **NOTES)
    assert json.loads(read["lifecyclePolicyText"])["rules"] == list(rules)
    await account.ask("ecr", "delete_lifecycle_policy", **NOTES)
    refused = await account.refusal("ecr", "get_lifecycle_policy", **NOTES)
    assert refused[0] == "LifecyclePolicyNotFoundException"


async def test_an_image_of_an_index_outlives_policies_and_deletions(account):
    inner = await put(account, "")
    await put(account, "index", mediaType=INDEX, manifests=[{"digest": inner}])
    await account.ask("ecr", "put_lifecycle_policy", **policy(rule(1, "sinceImagePushed", 1, "untagged")))
    await account.cloud.clock.sleep(3 * DAY)
    assert await tags(account) == ["index", "untagged"]
    deleted = await account.ask("ecr", "batch_delete_image", **NOTES, imageIds=[{"imageDigest": inner}])
    assert [each["failureCode"] for each in deleted["failures"]] == ["ImageReferencedByManifestList"]
    absent = json.dumps({"mediaType": INDEX, "manifests": [{"digest": "sha256:" + "0" * 64}]})
    refused = await account.refusal("ecr", "put_image", **NOTES, imageManifest=absent)
    assert refused[0] == "ReferencedImagesNotFoundException"


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [rule(1, "imageCountMoreThan", 1)],
        [rule(1, "imageCountMoreThan", 1, "untagged", tagPrefixList=["a"])],
        [rule(1, "imageCountMoreThan", 0, "any")],
        [rule(1, "imageCountMoreThan", 1, "any", countUnit="days")],
        [rule(1, "imageCountMoreThan", 1, "any"), rule(2, "sinceImagePushed", 1, "untagged")],
        [rule(1, "sinceImagePushed", 1, "untagged"), rule(1, "imageCountMoreThan", 1, "any")],
        [rule(1, "imageCountMoreThan", 1, "any") | {"action": {"type": "keep"}}],
        [{"rulePriority": 1}],
        [1],
    ],
)
async def test_a_policy_that_contradicts_itself_is_refused(shared_account, rules):
    assert (await shared_account.refusal("ecr", "put_lifecycle_policy", **policy(*rules)))[0] == (
        "InvalidParameterException"
    )


@pytest.mark.parametrize(("setting", "fixed", "moves"), [("IMMUTABLE", "v1", "latest"), ("MUTABLE", "latest", "v1")])
async def test_tags_that_a_filter_excludes_have_the_opposite_mutability(account, setting, fixed, moves):
    filters = [{"filterType": "WILDCARD", "filter": "lat*"}]
    change = {"imageTagMutability": f"{setting}_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": filters}
    changed = await account.ask("ecr", "put_image_tag_mutability", **NOTES, **change)
    (described,) = (await account.ask("ecr", "describe_repositories", repositoryNames=["notes"]))["repositories"]
    assert {key: described[key] for key in change} == {key: changed[key] for key in change} == change
    for tag in ("v1", "latest"):
        await put(account, tag)
    other = {**NOTES, "imageManifest": "{}"}
    assert (await account.refusal("ecr", "put_image", **other, imageTag=fixed))[0] == "ImageTagAlreadyExistsException"
    await account.ask("ecr", "put_image", **other, imageTag=moves)


async def test_a_filter_needs_a_setting_with_exclusion_and_the_other_way_round(shared_account):
    filters = {"imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "*"}]}
    for setting, also in (("IMMUTABLE", filters), ("IMMUTABLE_WITH_EXCLUSION", {})):
        change = {**NOTES, "imageTagMutability": setting, **also}
        assert (await shared_account.refusal("ecr", "put_image_tag_mutability", **change))[0] == (
            "InvalidParameterException"
        )


async def test_images_are_filtered_by_their_tags_and_paged(account):
    digests = [await put(account, tag) for tag in ("one", "two", "")]
    for status, expected in (("TAGGED", digests[:2]), ("UNTAGGED", digests[2:]), ("ANY", digests)):
        described = await account.ask("ecr", "describe_images", **NOTES, filter={"tagStatus": status})
        assert [each["imageDigest"] for each in described["imageDetails"]] == expected
    archived = await account.ask("ecr", "list_images", **NOTES, filter={"imageStatus": "ARCHIVED"})
    assert archived["imageIds"] == []
    first = await account.ask("ecr", "describe_images", **NOTES, maxResults=2)
    rest = await account.ask("ecr", "describe_images", **NOTES, maxResults=2, nextToken=first["nextToken"])
    assert [each["imageDigest"] for each in first["imageDetails"] + rest["imageDetails"]] == digests
    other = {"registryId": "210987654321", **NOTES}
    assert (await account.refusal("ecr", "list_images", **other))[0] == "RepositoryNotFoundException"
