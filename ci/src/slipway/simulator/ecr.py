"""Amazon ECR: images are pushed, found by digest, and pulled."""

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from slipway.oci.artifact import digest_of
from slipway.records.image import is_digest
from slipway.simulator.contract import AwsError, Call, Operations, Quotas, operations_of, paged, tags_of
from slipway.simulator.lifecycle import LifecyclePolicy
from slipway.simulator.registry import ImageStore, Manifest, Repository

_PART_SIZE = 20 * 1024 * 1024
_TOKEN_LIFE = timedelta(hours=12)
_MOST_TAGS = 1000  # for one image [G]
_NAMES = ("registryId", "repositoryName")
_EXCLUSIONS = "imageTagMutabilityExclusionFilters"
_REASONS = {  # codes [M]; messages †, the first one [F]
    "ImageNotFound": "Requested image not found",
    "ImageTagDoesNotMatchDigest": "The image tag is not that of the digest",
    "ImageReferencedByManifestList": "Requested image referenced by manifest list",
    "InvalidImageDigest": "Invalid image digest",
    "MissingDigestAndTag": "Neither digest nor tag was given",
}


class Ecr:
    """ECR's operations on an image store."""

    def __init__(self, store: ImageStore, quotas: Quotas) -> None:
        self._store = store
        self._quotas = quotas
        self._uploads: dict[str, bytearray] = {}
        self.operations: Operations = operations_of(self)

    async def get_authorization_token(self, _request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        token = base64.b64encode(f"AWS:{self._store.password}".encode()).decode()
        return {
            "authorizationData": [
                {"authorizationToken": token, "expiresAt": call.now + _TOKEN_LIFE, "proxyEndpoint": call.endpoint}
            ]
        }

    async def create_repository(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["repositoryName"]
        if name in self._store.repositories:
            message = f"The repository with name '{name}' already exists in the registry with id '{call.account}'"
            raise AwsError("RepositoryAlreadyExistsException", message)
        if len(self._store.repositories) >= self._quotas.repositories:
            raise _exceeds("repositories", self._quotas.repositories)
        immutable, exclusions = _mutability(request)
        how = {"immutable": immutable, "exclusions": exclusions, "labels": tags_of(request)}
        made = self._store.create(name, call.now, **how)
        return {"repository": _describe(made, call)}

    async def describe_repositories(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        names = request.get("repositoryNames") or sorted(self._store.repositories)
        _check_paging(request, "repositoryNames")
        description = [_describe(self._named(name, request, call), call) for name in names]
        return paged("repositories", description, request, most=100)

    async def delete_repository(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Delete a repository. One with images is deleted only with `force`."""
        repository = self._repository(request, call)
        if repository.manifests and not request.get("force"):
            message = f"The repository with name '{repository.name}' in registry with id '{call.account}' cannot be deleted because it still contains images"
            raise AwsError("RepositoryNotEmptyException", message)
        return {"repository": _describe(self._store.repositories.pop(repository.name), call)}

    async def put_image_tag_mutability(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._repository(request, call)
        repository.immutable, repository.exclusions = _mutability(request)
        description = _describe(repository, call)
        return {name: description[name] for name in (*_NAMES, "imageTagMutability", _EXCLUSIONS)}

    async def put_lifecycle_policy(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._repository(request, call)
        repository.lifecycle = LifecyclePolicy(request["lifecyclePolicyText"], call.now)
        return self._lifecycle(repository, call)

    async def get_lifecycle_policy(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._repository(request, call)
        description = self._lifecycle(repository, call)
        return description | {"lastEvaluatedAt": repository.lifecycle and repository.lifecycle.evaluated}

    async def delete_lifecycle_policy(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._repository(request, call)
        description = await self.get_lifecycle_policy(request, call)
        repository.lifecycle = None
        return description

    def _lifecycle(self, repository: Repository, call: Call) -> dict[str, Any]:
        if repository.lifecycle is None:
            message = f"Lifecycle policy does not exist for the repository with name '{repository.name}' in the registry with id '{call.account}'"
            raise AwsError("LifecyclePolicyNotFoundException", message)
        named = dict(zip(_NAMES, (call.account, repository.name), strict=True))
        return named | {"lifecyclePolicyText": repository.lifecycle.text}

    async def list_tags_for_resource(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._named(request["resourceArn"].partition(":repository/")[2], request, call)
        return {"tags": [{"Key": key, "Value": value} for key, value in repository.labels.items()]}

    async def describe_images(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._repository(request, call)
        _check_paging(request, "imageIds")
        digests = [self._digest(repository, image, call) for image in request.get("imageIds", [])]
        shown = [each for each in digests or repository.manifests if _passes(request, tagged=repository.tags_of(each))]
        return paged("imageDetails", [_detail(repository, each, call) for each in shown], request, most=100)

    async def batch_get_image(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._repository(request, call)
        images, failures = [], []
        for wanted in request["imageIds"]:
            if code := _failure(repository, wanted):
                failures.append({"imageId": wanted, "failureCode": code, "failureReason": _REASONS[code]})
                continue
            digest = repository.resolve(wanted.get("imageDigest") or wanted["imageTag"]) or ""
            images.append(_image(repository, digest, wanted.get("imageTag"), call))
        return {"images": images, "failures": failures}

    async def put_image(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._repository(request, call)
        tag, content = request.get("imageTag"), request["imageManifest"].encode()
        if request.get("imageDigest", digest_of(content)) != digest_of(content):
            # The words [M].
            message = "The specified image digest does not match the digest that Amazon ECR calculated for the image."
            raise AwsError("ImageDigestDoesNotMatchException", message)
        if tag and repository.tags.get(tag) == digest_of(content):
            message = f"Image with digest '{digest_of(content)}' and tag '{tag}' already exists in the repository with name '{repository.name}' in registry with id '{call.account}'"
            raise AwsError("ImageAlreadyExistsException", message)
        try:
            absent = repository.absent(content)
        except ValueError as error:
            message = "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
            raise AwsError("InvalidParameterException", message) from error
        if absent:
            raise _absent(repository, content, absent, call)
        if tag and repository.is_taken(tag, digest_of(content)):
            message = f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be overwritten because the tag is immutable."
            raise AwsError("ImageTagAlreadyExistsException", message)
        if tag and len(repository.tags_of(digest_of(content))) >= _MOST_TAGS:
            raise _exceeds("tags of an image", _MOST_TAGS)
        if digest_of(content) not in repository.manifests and len(repository.manifests) >= self._quotas.images:
            raise _exceeds("images in a repository", self._quotas.images)
        digest = repository.put_manifest(content, request.get("imageManifestMediaType", ""), call.now)
        if tag:
            repository.tags[tag] = digest
        return {"image": _image(repository, digest, tag, call)}

    async def list_images(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """List the images by tag, then those without a tag."""
        repository = self._repository(request, call)
        tagged = [{"imageTag": tag, "imageDigest": digest} for tag, digest in sorted(repository.tags.items())]
        digests = repository.tags.values()
        untagged = [{"imageDigest": digest} for digest in repository.manifests if digest not in digests]
        shown = [image for image in tagged + untagged if _passes(request, tagged="imageTag" in image)]
        return paged("imageIds", shown, request, most=100)

    async def batch_delete_image(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Delete images. A tag removes only this tag; a digest deletes the image with all its tags."""
        repository = self._repository(request, call)
        deleted, failures = [], []
        for wanted in request["imageIds"]:
            digest = repository.resolve(wanted.get("imageDigest") or wanted.get("imageTag", "")) or ""
            tags = repository.tags_of(digest)
            dropped = tags if "imageDigest" in wanted else [wanted.get("imageTag", "")]
            code = _failure(repository, wanted)
            if not code and dropped == tags and repository.is_referenced(digest):
                code = "ImageReferencedByManifestList"
            if code:
                failures.append({"imageId": wanted, "failureCode": code, "failureReason": _REASONS[code]})
                continue
            deleted += [{"imageDigest": digest, "imageTag": tag} for tag in dropped] or [{"imageDigest": digest}]
            if dropped == tags:
                repository.delete(digest)
            else:
                del repository.tags[dropped[0]]
        return {"imageIds": deleted, "failures": failures}

    async def get_download_url_for_layer(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Return a URL that needs no login, like those that AWS signs. Here it never expires."""
        repository, digest = self._repository(request, call), request["layerDigest"]
        if digest not in repository.blobs:
            message = f"The layer with digest '{digest}' does not exist in the repository with name '{repository.name}' in the registry with id '{call.account}'"
            raise AwsError("LayersNotFoundException", message)
        return {
            "downloadUrl": f"{call.endpoint}/layers/{self._store.host}/{repository.name}/{digest}",
            "layerDigest": digest,
        }

    async def batch_check_layer_availability(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Return the availability of layers. A missing layer is UNAVAILABLE, and only a malformed digest is a failure."""
        repository = self._repository(request, call)
        layers, failures = [], []
        for digest in request["layerDigests"]:
            if not is_digest(digest):
                reason = "Invalid layer digest."  # †
                failures.append({"layerDigest": digest, "failureCode": "InvalidLayerDigest", "failureReason": reason})
            elif digest in repository.blobs:
                size = {"layerSize": len(repository.blobs[digest])}
                layers.append({"layerDigest": digest, "layerAvailability": "AVAILABLE", **size})
            else:
                layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
        return {"layers": layers, "failures": failures}

    async def initiate_layer_upload(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        self._repository(request, call)
        upload = str(uuid.uuid4())
        self._uploads[upload] = bytearray()
        return {"uploadId": upload, "partSize": _PART_SIZE}

    async def upload_layer_part(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        content = base64.b64decode(request["layerPartBlob"])
        upload = self._upload(request, call)
        first, last = request["partFirstByte"], request["partLastByte"]
        if first != len(upload) or last - first + 1 != len(content):
            raise AwsError("InvalidLayerPartException", "The layer part is not the next one.")
        upload.extend(content)
        names = {"repositoryName": request["repositoryName"], "uploadId": request["uploadId"]}
        return {"registryId": call.account, "lastByteReceived": last, **names}

    async def complete_layer_upload(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        repository = self._repository(request, call)
        content = bytes(self._upload(request, call))
        digest = digest_of(content)
        if not content:
            raise AwsError("EmptyUploadException", "The upload has no layer parts.")
        if digest not in request["layerDigests"]:
            raise AwsError("InvalidLayerException", f"The layer has the digest {digest}.")
        if digest in repository.blobs:
            message = f"Layer with digest '{digest}' already exists in '{repository.name}'"
            raise AwsError("LayerAlreadyExistsException", message)
        repository.put_blob(content)
        del self._uploads[request["uploadId"]]
        names = {"repositoryName": repository.name, "uploadId": request["uploadId"]}
        return {"registryId": call.account, "layerDigest": digest, **names}

    def _upload(self, request: Mapping[str, Any], call: Call) -> bytearray:
        self._repository(request, call)
        if request["uploadId"] not in self._uploads:
            raise AwsError("UploadNotFoundException", f"The upload {request['uploadId']} does not exist.")
        return self._uploads[request["uploadId"]]

    def _repository(self, request: Mapping[str, Any], call: Call) -> Repository:
        return self._named(request["repositoryName"], request, call)

    def _named(self, name: str, request: Mapping[str, Any], call: Call) -> Repository:
        registry = request.get("registryId", call.account)
        if name not in self._store.repositories or registry != call.account:
            message = f"The repository with name '{name}' does not exist in the registry with id '{registry}'"
            raise AwsError("RepositoryNotFoundException", message)
        self._store.repositories[name].expire(call.now)
        return self._store.repositories[name]

    def _digest(self, repository: Repository, image: Mapping[str, str], call: Call) -> str:
        digest = repository.resolve(image.get("imageDigest") or image.get("imageTag", ""))
        if digest is None:
            identity = (
                f"{{imageDigest:'{image.get('imageDigest', 'null')}', imageTag:'{image.get('imageTag', 'null')}'}}"
            )
            message = f"The image with imageId {identity} does not exist within the repository with name '{repository.name}' in the registry with id '{call.account}'"
            raise AwsError("ImageNotFoundException", message)
        return digest


def _mutability(request: Mapping[str, Any]) -> tuple[bool, tuple[str, ...]]:
    """Return whether tags are immutable, and the wildcards of tags for which the opposite is true."""
    wanted = request.get("imageTagMutability", "MUTABLE")
    exclusions = tuple(each["filter"] for each in request.get(_EXCLUSIONS, ()))
    if wanted.endswith("_WITH_EXCLUSION") is not bool(exclusions):
        message = f"Invalid parameter at '{_EXCLUSIONS}': {wanted} with {len(exclusions)} filters"  # †
        raise AwsError("InvalidParameterException", message)
    return wanted.startswith("IMMUTABLE"), exclusions


def _check_paging(request: Mapping[str, Any], member: str) -> None:
    """Raise AwsError when a request pages through items that it names [M]."""
    if member in request and request.keys() & {"maxResults", "nextToken"}:
        message = f"Invalid parameter at '{member}': it cannot be used with maxResults or nextToken"  # †
        raise AwsError("InvalidParameterException", message)


def _passes(request: Mapping[str, Any], *, tagged: object) -> bool:
    """Return whether an image passes the request's filter. Every image is active."""
    wanted = request.get("filter", {})
    is_active = wanted.get("imageStatus", "ANY") in ("ACTIVE", "ANY")
    return is_active and wanted.get("tagStatus", "ANY") in ("ANY", "TAGGED" if tagged else "UNTAGGED")


def _absent(repository: Repository, content: bytes, digests: list[str], call: Call) -> AwsError:
    where = f"required for pushing image into repository with name '{repository.name}' in the registry with id '{call.account}' do not exist"
    if "manifests" in json.loads(content):
        return AwsError("ReferencedImagesNotFoundException", f"Images with digests '{digests}' {where}")
    return AwsError("LayersNotFoundException", f"Layers with digests '{digests}' {where}")


def _exceeds(what: str, most: int) -> AwsError:
    message = f"The operation would exceed the quota of {most} {what}"  # †
    return AwsError("LimitExceededException", message)


def _failure(repository: Repository, wanted: Mapping[str, str]) -> str:
    """Return the error code for an image that cannot be found; empty when it can."""
    digest, tag = wanted.get("imageDigest"), wanted.get("imageTag")
    if digest is None and tag is None:
        return "MissingDigestAndTag"
    if digest is not None and not is_digest(digest):
        return "InvalidImageDigest"
    if repository.resolve(digest or tag or "") is None:
        return "ImageNotFound"
    return "ImageTagDoesNotMatchDigest" if digest and tag and repository.tags.get(tag) != digest else ""


def _describe(repository: Repository, call: Call) -> dict[str, Any]:
    return {
        "repositoryArn": f"arn:aws:ecr:{call.region}:{call.account}:repository/{repository.name}",
        "registryId": call.account,
        "repositoryName": repository.name,
        "repositoryUri": f"{call.account}.dkr.ecr.{call.region}.amazonaws.com/{repository.name}",
        "createdAt": repository.created,
        "imageTagMutability": f"{'IM' if repository.immutable else ''}MUTABLE{'_WITH_EXCLUSION' if repository.exclusions else ''}",
        _EXCLUSIONS: [{"filterType": "WILDCARD", "filter": each} for each in repository.exclusions] or None,
    }


def _detail(repository: Repository, digest: str, call: Call) -> dict[str, Any]:
    manifest = repository.manifests[digest]
    return {
        "registryId": call.account,
        "repositoryName": repository.name,
        "imageDigest": digest,
        "imagePushedAt": manifest.pushed,
        "imageSizeInBytes": _size(repository, manifest),
        "imageManifestMediaType": manifest.media_type,
        "imageTags": repository.tags_of(digest) or None,
        "artifactMediaType": manifest.artifact_type,
    }


def _size(repository: Repository, manifest: Manifest) -> int:
    """Return the number of bytes in the blobs to which a manifest refers."""
    return sum(len(content) for digest, content in repository.blobs.items() if digest.encode() in manifest.content)


def _image(repository: Repository, digest: str, tag: str | None, call: Call) -> dict[str, Any]:
    manifest = repository.manifests[digest]
    return {
        "registryId": call.account,
        "repositoryName": repository.name,
        "imageId": {"imageDigest": digest, "imageTag": tag},
        "imageManifest": manifest.content.decode(),
        "imageManifestMediaType": manifest.media_type,
    }
