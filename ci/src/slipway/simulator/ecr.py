"""Amazon ECR, as far as images are pushed, found by digest, and pulled."""

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from slipway.simulator.call import Call, Operations
from slipway.simulator.contract import AwsError
from slipway.simulator.registry import PASSWORD
from slipway.simulator.store import Manifest, Repository, Store

_TOKEN_LIFE = timedelta(hours=12)


class Ecr:
    """Operations over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.operations: Operations = {
            "GetAuthorizationToken": self.get_authorization_token,
            "CreateRepository": self.create_repository,
            "DescribeRepositories": self.describe_repositories,
            "DescribeImages": self.describe_images,
            "BatchGetImage": self.batch_get_image,
            "PutImage": self.put_image,
        }

    async def get_authorization_token(self, _request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        token = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
        return {
            "authorizationData": [
                {"authorizationToken": token, "expiresAt": call.now + _TOKEN_LIFE, "proxyEndpoint": call.endpoint}
            ]
        }

    async def create_repository(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["repositoryName"]
        if name in self._store.repositories:
            raise AwsError(
                "RepositoryAlreadyExistsException",
                f"The repository with name '{name}' already exists in the registry with id '{call.account}'",
            )
        self._store.repositories[name] = Repository(
            name, call.now, immutable=request.get("imageTagMutability") == "IMMUTABLE"
        )
        return {"repository": _describe(self._store.repositories[name], call)}

    async def describe_repositories(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        names = request.get("repositoryNames") or sorted(self._store.repositories)
        return {"repositories": [_describe(self._repository(name, call), call) for name in names]}

    async def describe_images(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._repository(request["repositoryName"], call)
        wanted = [self._digest(repository, image, call) for image in request.get("imageIds", [])] or list(
            repository.manifests
        )
        return {"imageDetails": [_detail(repository, digest, call) for digest in wanted]}

    async def batch_get_image(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._repository(request["repositoryName"], call)
        images, failures = [], []
        for wanted in request["imageIds"]:
            digest = repository.resolve(wanted.get("imageDigest") or wanted.get("imageTag", ""))
            if digest:
                images.append(_image(repository, digest, repository.manifests[digest], wanted.get("imageTag"), call))
            else:
                failures.append(
                    {"imageId": wanted, "failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
                )
        return {"images": images, "failures": failures}

    async def put_image(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._repository(request["repositoryName"], call)
        tag = request.get("imageTag")
        if tag and repository.immutable and tag in repository.tags:
            raise AwsError(
                "ImageTagAlreadyExistsException",
                f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be overwritten because the repository is immutable.",
            )
        digest = repository.put_manifest(
            request["imageManifest"].encode(), request.get("imageManifestMediaType", ""), call.now
        )
        if tag:
            repository.tags[tag] = digest
        return {"image": _image(repository, digest, repository.manifests[digest], tag, call)}

    def _repository(self, name: str, call: Call) -> Repository:
        if name not in self._store.repositories:
            raise AwsError(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id '{call.account}'",
            )
        return self._store.repositories[name]

    def _digest(self, repository: Repository, image: Mapping[str, str], call: Call) -> str:
        digest = repository.resolve(image.get("imageDigest") or image.get("imageTag", ""))
        if digest is None:
            said = f"{{imageDigest:'{image.get('imageDigest', 'null')}', imageTag:'{image.get('imageTag', 'null')}'}}"
            raise AwsError(
                "ImageNotFoundException",
                f"The image with imageId {said} does not exist within the repository with name '{repository.name}' in the registry with id '{call.account}'",
            )
        return digest


def _describe(repository: Repository, call: Call) -> dict[str, Any]:
    return {
        "repositoryArn": f"arn:aws:ecr:{call.region}:{call.account}:repository/{repository.name}",
        "registryId": call.account,
        "repositoryName": repository.name,
        "repositoryUri": f"{call.account}.dkr.ecr.{call.region}.amazonaws.com/{repository.name}",
        "createdAt": repository.created,
        "imageTagMutability": "IMMUTABLE" if repository.immutable else "MUTABLE",
    }


def _detail(repository: Repository, digest: str, call: Call) -> dict[str, Any]:
    found = repository.manifests[digest]
    tags = [tag for tag, tagged in repository.tags.items() if tagged == digest]
    detail = {
        "registryId": call.account,
        "repositoryName": repository.name,
        "imageDigest": digest,
        "imagePushedAt": found.pushed,
        "imageSizeInBytes": _size(repository, found),
        "imageManifestMediaType": found.media_type,
    }
    return detail | ({"imageTags": tags} if tags else {})


def _size(repository: Repository, manifest: Manifest) -> int:
    """What it weighs: the blobs it names."""
    return sum(len(content) for digest, content in repository.blobs.items() if digest.encode() in manifest.content)


def _image(repository: Repository, digest: str, found: Manifest, tag: str | None, call: Call) -> dict[str, Any]:
    identity = {"imageDigest": digest} | ({"imageTag": tag} if tag else {})
    return {
        "registryId": call.account,
        "repositoryName": repository.name,
        "imageId": identity,
        "imageManifest": found.content.decode(),
        "imageManifestMediaType": found.media_type,
    }
