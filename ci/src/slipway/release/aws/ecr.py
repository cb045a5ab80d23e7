"""ECR repositories: the login, the repository from which an environment deploys, and the ledger's store in a repository of its own.

A record of the ledger is a small OCI artifact under an immutable tag, which can be written only once. Its text is an
annotation of its manifest, so one call reads a hundred records and one call writes one. A record's age is computed from
ECR's own times: when the manifest was pushed, and the Date header of the response that reports this.
"""

import base64
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import Any

from slipway.errors import BadInputError, RefusedError
from slipway.oci.artifact import EMPTY, MANIFEST, Artifact, Blob
from slipway.oci.registry import Login
from slipway.records.image import Reference
from slipway.release.aws.client import Aws
from slipway.release.engine.ledger import PREFIX, Stored
from slipway.release.errors import AwsRefusedError, or_absent
from slipway.untrusted import json_object, one_line

ARTIFACT = "application/vnd.slipway.record.v1"
_TEXT = "slipway.record"
_REVISION = "org.opencontainers.image.revision"
_MOST = 100  # identifiers in one call [M]
_HOST = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True)
class Place:
    """A repository: its registry's URL, a login, and the repository's URI."""

    url: str
    login: Login
    uri: str


def region_of(host: str) -> str | None:
    """Return the region of an ECR registry; None for any other registry."""
    match = _HOST.fullmatch(host)
    return match[1] if match else None


def check_repository(image: Reference, wanted: Reference, *, simulated: bool) -> None:
    """Raise BadInputError for an image outside of the repository from which the environment deploys.

    In a `simulated` account an image may have the registry's address on this machine. Only the image's name must match
    then.
    """
    name = wanted.repository.partition("/")[2]
    host, _, pushed = image.repository.partition("/")
    to_this_machine = simulated and pushed == name and ".dkr.ecr." not in host
    if image.repository not in (wanted.repository, name) and not to_this_machine:
        raise BadInputError(
            f"the image is in {one_line(image.repository)}, and this environment deploys from {wanted.repository}",
            "push it there, or correct name, account and region in the settings",
        )


async def sign_in(aws: Aws) -> tuple[str, Login]:
    """Return the registry's URL and a login that is valid for twelve hours."""
    response = await aws.call("ecr", "get_authorization_token")
    data = response["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return data["proxyEndpoint"], Login(user, password)


async def revision_of(aws: Aws, repository: str, digest: str) -> str | None:
    """Return the git commit in an image's manifest; None when the manifest has none."""
    wanted = [{"imageDigest": digest}]
    answer = await aws.call("ecr", "batch_get_image", repositoryName=repository, imageIds=wanted)
    manifests = (json_object(image["imageManifest"]) for image in answer["images"])
    annotations = next((manifest.get("annotations") for manifest in manifests), None)
    revision = annotations.get(_REVISION) if isinstance(annotations, dict) else None
    return revision if isinstance(revision, str) else None


async def place_of(aws: Aws, repository: str) -> Place:
    """Return a repository. Raise SlipwayError when it does not exist."""
    response = await aws.call("ecr", "describe_repositories", repositoryNames=[repository])
    url, login = await sign_in(aws)
    return Place(url, login, response["repositories"][0]["repositoryUri"])


class EcrStore:
    """The store of a ledger in the ECR repository `repository`."""

    def __init__(self, aws: Aws, repository: str) -> None:
        self._aws = aws
        self._repository = repository

    async def check(self) -> None:
        """Raise RefusedError when there is no repository, or when tags can be overwritten.

        Only immutable tags exclude concurrent deployments.
        """
        call = self._aws.call("ecr", "describe_repositories", repositoryNames=[self._repository])
        answer = await or_absent(call, "RepositoryNotFoundException")
        if answer is None:
            raise RefusedError(
                f"there is no repository {self._repository}, where the ledger of deployments is kept",
                "create it by `slipway bootstrap --apply`",
            )
        if not _immutable(answer["repositories"][0]):
            raise RefusedError(
                f"tags of the repository {self._repository} can be overwritten, so the ledger cannot exclude concurrent deployments",
                f"aws ecr put-image-tag-mutability --repository-name {self._repository} --image-tag-mutability IMMUTABLE",
            )

    async def put(self, name: str, text: str) -> bool:
        manifest = manifest_of(text)
        image = {"imageManifest": manifest.content.decode(), "imageManifestMediaType": MANIFEST, "imageTag": name}
        try:
            await self._ask("put_image", **image)
        except AwsRefusedError as error:
            match error.code:
                case "ImageTagAlreadyExistsException":
                    return False
                # ECR already has this text under this name: the answer to our own put was lost
                case "ImageAlreadyExistsException":
                    return True
                case "LayersNotFoundException":
                    await self._upload_empty()
                    return await self.put(name, text)
            raise
        return True

    async def names(self) -> Collection[str]:
        request = {"repositoryName": self._repository, "filter": {"tagStatus": "TAGGED"}, "maxResults": 1000}
        images = self._aws.items("ecr", "list_images", "imageIds", **request)
        tags = [image.get("imageTag", "") async for image in images]
        return [tag for tag in tags if tag.startswith(PREFIX)]

    async def get(self, names: Sequence[str]) -> Mapping[str, str]:
        texts: dict[str, str] = {}
        for first in range(0, len(names), _MOST):
            wanted = [{"imageTag": name} for name in names[first : first + _MOST]]
            answer = await self._ask("batch_get_image", imageIds=wanted, acceptedMediaTypes=[MANIFEST])
            for image in answer["images"]:
                manifest = json.loads(image["imageManifest"])
                texts[image["imageId"]["imageTag"]] = str(manifest.get("annotations", {}).get(_TEXT, ""))
        return texts

    async def stored(self, name: str) -> Stored | None:
        answer = await or_absent(self._ask("describe_images", imageIds=[{"imageTag": name}]), "ImageNotFoundException")
        if answer is None:
            return None
        (detail,) = answer["imageDetails"]
        now: datetime = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return Stored(detail["imageDigest"], (now - detail["imagePushedAt"]).total_seconds())

    async def remove(self, key: str) -> None:
        await self._ask("batch_delete_image", imageIds=[{"imageDigest": key}])

    async def discard(self, names: Sequence[str]) -> None:
        for first in range(0, len(names), _MOST):
            tags = [{"imageTag": name} for name in names[first : first + _MOST]]
            await self._ask("batch_delete_image", imageIds=tags)

    async def _upload_empty(self) -> None:
        """Push the two bytes to which every artifact refers. Each repository needs them once."""
        upload = (await self._ask("initiate_layer_upload"))["uploadId"]
        part = {"partFirstByte": 0, "partLastByte": len(EMPTY.content) - 1, "layerPartBlob": EMPTY.content}
        await self._ask("upload_layer_part", uploadId=upload, **part)
        try:
            await self._ask("complete_layer_upload", uploadId=upload, layerDigests=[EMPTY.digest])
        except AwsRefusedError as error:
            if error.code != "LayerAlreadyExistsException":
                raise

    async def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return await self._aws.call("ecr", operation, repositoryName=self._repository, **parameters)


def manifest_of(text: str) -> Blob:
    return Artifact(kind=ARTIFACT, config=EMPTY, layers=(EMPTY,), annotations={_TEXT: text}).manifest()


def _immutable(repository: Mapping[str, Any]) -> bool:
    """Return whether the ledger's tags are immutable. Exclusions from this rule may cover other tags."""
    filters = [exclusion["filter"] for exclusion in repository.get("imageTagMutabilityExclusionFilters", [])]
    ours = any(fnmatchcase(f"{PREFIX}production.lock", pattern) for pattern in filters)
    match repository["imageTagMutability"]:
        case "IMMUTABLE":
            return True
        case "IMMUTABLE_WITH_EXCLUSION":
            return not ours
        case "MUTABLE_WITH_EXCLUSION":
            return ours
        case _:
            return False
