import base64
import json
import secrets

import httpx
import pytest

from slipway.oci.artifact import INDEX, Artifact, Blob, digest_of
from slipway.oci.registry import opened
from slipway.simulator.cloud import LOGIN
from slipway.workload.workload import NO_CERTIFICATES

LAYER = Blob("application/x-layer", b"a layer")
ABSENT = "sha256:" + "0" * 64


@pytest.fixture
async def repository(shared_account):
    """The name of a new repository with immutable tags."""
    name = f"team/notes-{secrets.token_hex(4)}"
    await shared_account.ask("ecr", "create_repository", repositoryName=name, imageTagMutability="IMMUTABLE")
    return name


def manifest(number: int = 1) -> str:
    return json.dumps({"schemaVersion": 2, "annotations": {"number": str(number)}})


async def test_a_repository_is_described_with_the_uri_that_services_name_it_by(shared_account, repository):
    described = await shared_account.ask("ecr", "describe_repositories", repositoryNames=[repository])
    (found,) = described["repositories"]
    assert found["repositoryUri"] == f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{repository}"
    assert found["repositoryArn"] == f"arn:aws:ecr:eu-west-1:123456789012:repository/{repository}"
    assert found["imageTagMutability"] == "IMMUTABLE"
    everything = await shared_account.ask("ecr", "describe_repositories")
    assert repository in [found["repositoryName"] for found in everything["repositories"]]


async def test_a_repository_is_made_once(shared_account, repository):
    code, message = await shared_account.refusal("ecr", "create_repository", repositoryName=repository)
    assert code == "RepositoryAlreadyExistsException"
    assert repository in message


@pytest.mark.parametrize("operation", ["describe_repositories", "describe_images", "batch_get_image", "put_image"])
async def test_a_repository_that_is_not_there_is_not_found(shared_account, operation):
    requests = {
        "describe_repositories": {"repositoryNames": ["absent"]},
        "describe_images": {"repositoryName": "absent"},
        "batch_get_image": {"repositoryName": "absent", "imageIds": [{"imageTag": "1"}]},
        "put_image": {"repositoryName": "absent", "imageManifest": manifest()},
    }
    code, message = await shared_account.refusal("ecr", operation, **requests[operation])
    assert code == "RepositoryNotFoundException"
    assert "'absent'" in message


async def test_an_images_digest_is_that_of_its_manifest(shared_account, repository):
    put = await shared_account.ask("ecr", "put_image", repositoryName=repository, imageManifest=manifest())
    assert put["image"]["imageId"] == {"imageDigest": digest_of(manifest().encode())}


async def test_images_are_found_by_digest_and_by_tag(shared_account, repository):
    for number in (1, 2):
        await shared_account.ask(
            "ecr", "put_image", repositoryName=repository, imageManifest=manifest(number), imageTag=f"v{number}"
        )
    digest = digest_of(manifest(2).encode())
    for identity in ({"imageDigest": digest}, {"imageTag": "v2"}):
        described = await shared_account.ask("ecr", "describe_images", repositoryName=repository, imageIds=[identity])
        (detail,) = described["imageDetails"]
        assert (detail["imageDigest"], detail["imageTags"]) == (digest, ["v2"])
    everything = await shared_account.ask("ecr", "describe_images", repositoryName=repository)
    assert len(everything["imageDetails"]) == 2


@pytest.mark.parametrize("identity", [{"imageDigest": ABSENT}, {"imageTag": "absent"}])
async def test_an_image_that_is_not_there_is_not_found_and_named(shared_account, repository, identity):
    code, message = await shared_account.refusal(
        "ecr", "describe_images", repositoryName=repository, imageIds=[identity]
    )
    assert code == "ImageNotFoundException"
    assert next(iter(identity.values())) in message


async def test_a_batch_tells_what_is_there_and_what_is_not(shared_account, repository):
    await shared_account.ask("ecr", "put_image", repositoryName=repository, imageManifest=manifest(), imageTag="v1")
    asked = [{"imageTag": "v1"}, {"imageDigest": ABSENT}]
    got = await shared_account.ask("ecr", "batch_get_image", repositoryName=repository, imageIds=asked)
    assert [image["imageManifest"] for image in got["images"]] == [manifest()]
    assert [(failure["imageId"], failure["failureCode"]) for failure in got["failures"]] == [
        ({"imageDigest": ABSENT}, "ImageNotFound")
    ]


async def test_an_immutable_tag_is_put_once(shared_account, repository):
    await shared_account.ask("ecr", "put_image", repositoryName=repository, imageManifest=manifest(1), imageTag="v1")
    code, message = await shared_account.refusal(
        "ecr", "put_image", repositoryName=repository, imageManifest=manifest(2), imageTag="v1"
    )
    assert code == "ImageTagAlreadyExistsException"
    assert "'v1'" in message
    kept = await shared_account.ask("ecr", "batch_get_image", repositoryName=repository, imageIds=[{"imageTag": "v1"}])
    assert kept["images"][0]["imageManifest"] == manifest(1)


async def test_a_mutable_tag_moves(shared_account):
    await shared_account.ask("ecr", "create_repository", repositoryName="moving")
    for number in (1, 2):
        await shared_account.ask(
            "ecr", "put_image", repositoryName="moving", imageManifest=manifest(number), imageTag="latest"
        )
    described = await shared_account.ask("ecr", "describe_images", repositoryName="moving")
    assert [detail.get("imageTags") for detail in described["imageDetails"]] == [None, ["latest"]]


async def test_a_push_over_the_registry_protocol_is_described_by_the_api(shared_account, repository):
    """A login from GetAuthorizationToken, a push, the same digest and size in DescribeImages."""
    data = (await shared_account.ask("ecr", "get_authorization_token"))["authorizationData"][0]
    assert base64.b64decode(data["authorizationToken"]).decode() == f"{LOGIN.user}:{LOGIN.password}"
    artifact = Artifact(kind="application/x-test", config=Blob("application/x-config", b"{}"), layers=(LAYER,))
    async with opened(data["proxyEndpoint"], repository, LOGIN) as registry:
        digest = await registry.push(artifact)
    described = await shared_account.ask(
        "ecr", "describe_images", repositoryName=repository, imageIds=[{"imageDigest": digest}]
    )
    (detail,) = described["imageDetails"]
    assert detail["imageDigest"] == digest == artifact.manifest().digest
    assert detail["imageSizeInBytes"] == len(b"{}") + len(LAYER.content)
    assert detail["imageManifestMediaType"] == artifact.manifest().media_type
    assert "imageTags" not in detail


async def test_pushing_again_does_not_make_an_image_younger(shared_account, repository):
    pushed = []
    for _ in range(2):
        await shared_account.ask("ecr", "put_image", repositoryName=repository, imageManifest=manifest())
        described = await shared_account.ask("ecr", "describe_images", repositoryName=repository)
        pushed.append(described["imageDetails"][0]["imagePushedAt"])
    assert pushed[0] == pushed[1]


async def test_a_login_is_good_for_twelve_hours(shared_account):
    data = (await shared_account.ask("ecr", "get_authorization_token"))["authorizationData"][0]
    left = data["expiresAt"] - shared_account.cloud.clock.now()
    assert 10 * 3600 < round(left.total_seconds(), 2) <= 12 * 3600
    assert data["proxyEndpoint"] == shared_account.cloud.url


async def test_a_repository_with_images_is_deleted_by_force_only(shared_account, repository):
    await shared_account.ask("ecr", "put_image", repositoryName=repository, imageManifest=manifest())
    refused = await shared_account.refusal("ecr", "delete_repository", repositoryName=repository)
    assert refused[0] == "RepositoryNotEmptyException"
    await shared_account.ask("ecr", "delete_repository", repositoryName=repository, force=True)
    refused = await shared_account.refusal("ecr", "describe_repositories", repositoryNames=[repository])
    assert refused[0] == "RepositoryNotFoundException"


async def test_a_repository_has_the_tags_that_its_creation_gave_it(shared_account):
    tags = [{"Key": "team", "Value": "notes"}]
    made = await shared_account.ask("ecr", "create_repository", repositoryName="tagged", tags=tags)
    arn = made["repository"]["repositoryArn"]
    assert (await shared_account.ask("ecr", "list_tags_for_resource", resourceArn=arn))["tags"] == tags


async def test_a_layer_is_downloaded_from_a_url_that_needs_no_login(shared_account, repository):
    artifact = Artifact(kind="application/x-test", config=Blob("application/x-config", b"{}"), layers=(LAYER,))
    async with opened(shared_account.cloud.url, repository, LOGIN) as registry:
        await registry.push(artifact)
    asked = {"repositoryName": repository, "layerDigest": LAYER.digest}
    url = (await shared_account.ask("ecr", "get_download_url_for_layer", **asked))["downloadUrl"]
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as anybody:
        assert (await anybody.get(url)).content == LAYER.content
        assert (await anybody.get(url[:-1])).status_code == 404
    code, message = await shared_account.refusal("ecr", "get_download_url_for_layer", **asked | {"layerDigest": ABSENT})
    assert (code, ABSENT in message) == ("LayersNotFoundException", True)


async def test_layers_are_available_or_not(shared_account, repository):
    shared_account.cloud.store.repositories[repository].put_blob(LAYER.content)
    found = await shared_account.ask(
        "ecr", "batch_check_layer_availability", repositoryName=repository, layerDigests=[LAYER.digest, ABSENT, "x:y"]
    )
    assert [layer["layerAvailability"] for layer in found["layers"]] == ["AVAILABLE", "UNAVAILABLE"]
    assert [failure["failureCode"] for failure in found["failures"]] == ["InvalidLayerDigest"]


async def test_an_image_index_is_put_when_its_images_are_there(shared_account, repository):
    inner = manifest(1).encode()
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"digest": digest_of(inner)}]}).encode()
    put, headers = f"/v2/{repository}/manifests/{digest_of(index)}", {"content-type": INDEX}
    async with httpx.AsyncClient(
        verify=NO_CERTIFICATES, base_url=shared_account.cloud.url, auth=(LOGIN.user, LOGIN.password)
    ) as registry:
        assert (await registry.put(put, content=index, headers=headers)).json()["errors"][0]["code"] == "BLOB_UNKNOWN"
        await registry.put(f"/v2/{repository}/manifests/{digest_of(inner)}", content=inner)
        assert (await registry.put(put, content=index, headers=headers)).status_code == 201
    wanted = [{"imageDigest": digest_of(index)}]
    (image,) = (await shared_account.ask("ecr", "batch_get_image", repositoryName=repository, imageIds=wanted))[
        "images"
    ]
    assert (image["imageManifest"], image["imageManifestMediaType"]) == (index.decode(), INDEX)


@pytest.mark.parametrize(
    ("identity", "why"),
    [
        ({}, "MissingDigestAndTag"),
        ({"imageDigest": "sha256:0"}, "InvalidImageDigest"),
        ({"imageDigest": ABSENT}, "ImageNotFound"),
        ({"imageDigest": digest_of(manifest().encode()), "imageTag": "v2"}, "ImageTagDoesNotMatchDigest"),
    ],
)
async def test_why_an_image_is_not_in_a_batch(shared_account, repository, identity, why):
    await shared_account.ask("ecr", "put_image", repositoryName=repository, imageManifest=manifest(), imageTag="v1")
    got = await shared_account.ask("ecr", "batch_get_image", repositoryName=repository, imageIds=[identity])
    assert ([failure["failureCode"] for failure in got["failures"]], got["images"]) == ([why], [])
