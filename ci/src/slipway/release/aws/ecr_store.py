"""A ledger's store in the service's own ECR repository: small OCI artifacts under immutable tags, each of which can be put once.

An artifact's text is an annotation of its manifest, so that one call reads a hundred records and one call writes one. Ages are differences of
ECR's own times: when a manifest was pushed, and the Date header of the response that reports it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import Any

from slipway.errors import RefusedError
from slipway.oci.artifact import EMPTY, MANIFEST, Artifact
from slipway.release.aws.client import Aws
from slipway.release.engine.ledger import PREFIX, Stored
from slipway.release.errors import AwsRefusedError

ARTIFACT = "application/vnd.slipway.record.v1"
_TEXT = "slipway.record"
_MOST = 100  # identifiers in one call [M]


class EcrStore:
    """A ledger.Store; `repository` is its name."""

    def __init__(self, aws: Aws, repository: str) -> None:
        self._aws = aws
        self._repository = repository

    async def check(self) -> None:
        """Raise RefusedError when tags can be overwritten: the ledger could then not exclude concurrent deployments."""
        (repository,) = (await self._aws.call("ecr", "describe_repositories", repositoryNames=[self._repository]))[
            "repositories"
        ]
        if not _immutable(repository):
            raise RefusedError(
                f"tags of the repository {self._repository} can be overwritten, so the ledger cannot exclude concurrent deployments",
                f"aws ecr put-image-tag-mutability --repository-name {self._repository} --image-tag-mutability IMMUTABLE",
            )

    async def put(self, name: str, text: str) -> bool:
        manifest = Artifact(kind=ARTIFACT, config=EMPTY, layers=(EMPTY,), annotations={_TEXT: text}).manifest()
        image = {"imageManifest": manifest.content.decode(), "imageManifestMediaType": MANIFEST, "imageTag": name}
        try:
            await self._ask("put_image", **image)
        except AwsRefusedError as error:
            match error.code:
                case "ImageTagAlreadyExistsException":
                    return False
                case "ImageAlreadyExistsException":  # the same text under the same name: the answer to our put was lost
                    return True
                case "LayersNotFoundException":
                    await self._upload_empty()
                    return await self.put(name, text)
            raise
        return True

    async def names(self) -> Collection[str]:
        names: list[str] = []
        page: dict[str, Any] = {"filter": {"tagStatus": "TAGGED"}, "maxResults": 1000}
        while True:
            answer = await self._ask("list_images", **page)
            names += [image["imageTag"] for image in answer["imageIds"] if image.get("imageTag", "").startswith(PREFIX)]
            if not answer.get("nextToken"):
                return names
            page["nextToken"] = answer["nextToken"]

    async def get(self, names: Sequence[str]) -> Mapping[str, str]:
        texts: dict[str, str] = {}
        for first in range(0, len(names), _MOST):
            wanted = [{"imageTag": name} for name in names[first : first + _MOST]]
            answer = await self._ask("batch_get_image", imageIds=wanted, acceptedMediaTypes=[MANIFEST])
            for image in answer["images"]:
                texts[image["imageId"]["imageTag"]] = _text(image["imageManifest"])
        return texts

    async def stored(self, name: str) -> Stored | None:
        try:
            answer = await self._ask("describe_images", imageIds=[{"imageTag": name}])
        except AwsRefusedError as error:
            if error.code == "ImageNotFoundException":
                return None
            raise
        (detail,) = answer["imageDetails"]
        now: datetime = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return Stored(detail["imageDigest"], (now - detail["imagePushedAt"]).total_seconds())

    async def remove(self, key: str) -> None:
        await self._ask("batch_delete_image", imageIds=[{"imageDigest": key}])

    async def _upload_empty(self) -> None:
        """Push the two bytes that every artifact refers to; needed once per repository."""
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


def _immutable(repository: Mapping[str, Any]) -> bool:
    """Return whether the ledger's tags are immutable; exclusions may cover other tags."""
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


def _text(manifest: str) -> str:
    return str(json.loads(manifest).get("annotations", {}).get(_TEXT, ""))
