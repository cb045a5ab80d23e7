"""Probes of an ECR repository: tiny images, put by digest and under immutable tags."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from slipway.conformance.account import TAG, AwsAccount, Reply, SilentError, masked
from slipway.conformance.expectations import Findings
from slipway.oci.artifact import EMPTY, Artifact, Blob, digest_of

_LAYER = Blob("application/vnd.slipway.conformance", b"a layer")
_ABSENT = Blob(_LAYER.media_type, b"a layer that is never uploaded")
_KIND = "application/vnd.slipway.conformance"


@dataclass(frozen=True)
class ProbedRepository:
    """A repository of the run, with immutable tags."""

    account: AwsAccount
    name: str

    async def create(self, run: str) -> None:
        """Create the repository. Raise SilentError when the account refuses."""
        tags = [{"Key": TAG, "Value": run}]
        created = await self.account.ask(
            "ecr", "CreateRepository", repositoryName=self.name, imageTagMutability="IMMUTABLE", tags=tags
        )
        if created.code:
            raise SilentError(masked(f"CreateRepository: {created.error}"))

    async def ask(self, call: str, **parameters: Any) -> Reply:
        return await self.account.ask("ecr", call, repositoryName=self.name, **parameters)

    async def upload(self, blob: Blob) -> None:
        """Upload a layer or an image's configuration. Raise SilentError when the account refuses."""
        upload = (await self.ask("InitiateLayerUpload"))["uploadId"]
        part = {"partFirstByte": 0, "partLastByte": len(blob.content) - 1, "layerPartBlob": blob.content}
        await self.ask("UploadLayerPart", uploadId=upload, **part)
        await self.ask("CompleteLayerUpload", uploadId=upload, layerDigests=[blob.digest])

    async def ensure(self, manifest: Blob, tag: str) -> None:
        """Put an image under a tag unless it exists. Raise SilentError when the account refuses."""
        reply = await self.put(manifest, tag)
        if reply.code not in ("", "ImageAlreadyExistsException"):
            raise SilentError(masked(f"PutImage: {reply.error}"))

    async def put(self, manifest: Blob, tag: str) -> Reply:
        return await self.ask(
            "PutImage",
            imageManifest=manifest.content.decode(),
            imageManifestMediaType=manifest.media_type,
            imageTag=tag,
        )


def image(number: int, layer: Blob = _LAYER) -> Blob:
    """Return the manifest of an image that differs for each number."""
    return Artifact(kind=_KIND, config=EMPTY, layers=(layer,), annotations={"number": str(number)}).manifest()


async def probe_repository(account: AwsAccount, name: str, run: str, findings: Findings) -> None:
    repository = ProbedRepository(account, name)
    try:
        await repository.create(run)
        for blob in (EMPTY, _LAYER):
            await repository.upload(blob)
    except SilentError as error:
        for subject in _PROBES:
            findings.missed(subject, str(error))
        return
    for subject, probe in _PROBES.items():
        await findings.probe(subject, probe(repository))


async def _digest(repository: ProbedRepository) -> str:
    put = await repository.put(image(1), "first")
    digest = put["image"]["imageId"]["imageDigest"]
    return "sha256 of the manifest's bytes" if digest == digest_of(image(1).content) else str(digest)


async def _same(repository: ProbedRepository) -> str:
    await repository.ensure(image(1), "first")
    return (await repository.put(image(1), "first")).code or "answers"


async def _other(repository: ProbedRepository) -> str:
    await repository.ensure(image(1), "first")
    refused = await repository.put(image(2), "first")
    got = await repository.ask("BatchGetImage", imageIds=[{"imageTag": "first"}])
    stays = [found["imageId"]["imageDigest"] for found in got["images"]] == [image(1).digest]
    return f"{refused.code or 'answers'}, and the first {'stays' if stays else 'is gone'}"


async def _race(repository: ProbedRepository) -> str:
    """Put two images under one tag at the same time. Exactly one put must succeed."""
    codes: list[str] = []

    async def put(number: int) -> None:
        codes.append((await repository.put(image(number), "race")).code)

    async with anyio.create_task_group() as tasks:
        for number in (3, 4):
            tasks.start_soon(put, number)
    return ", ".join(f"one {code or 'put'}" for code in sorted(codes))


async def _layers(repository: ProbedRepository) -> str:
    return (await repository.put(image(5, _ABSENT), "without")).code or "answers"


async def _absent(repository: ProbedRepository) -> str:
    wanted = [{"imageDigest": image(6).digest}]
    description = await repository.ask("DescribeImages", imageIds=wanted)
    got = await repository.ask("BatchGetImage", imageIds=wanted)
    failures = ", ".join(failure["failureCode"] for failure in got["failures"])
    return f"{description.code or 'answers'}, failure {failures or 'none'}"


async def _tags(repository: ProbedRepository) -> str:
    for tag in ("first", "second"):
        await repository.ensure(image(1), tag)
    description = await repository.ask("DescribeImages", imageIds=[{"imageTag": "second"}])
    listed = await repository.ask("ListImages", filter={"tagStatus": "TAGGED"})
    described_tags = [(detail["imageDigest"], set(detail["imageTags"])) for detail in description["imageDetails"]]
    ids = {(found["imageDigest"], found["imageTag"]) for found in listed["imageIds"]}
    wanted = {(image(1).digest, "first"), (image(1).digest, "second")}
    correct = described_tags == [(image(1).digest, {"first", "second"})] and wanted <= ids
    shown = [sorted(tags) for _, tags in described_tags]
    return "described and listed by tag and digest" if correct else json.dumps(shown)


async def _deleted(repository: ProbedRepository) -> str:
    for tag in ("first", "second"):
        await repository.ensure(image(1), tag)
    await repository.ask("BatchDeleteImage", imageIds=[{"imageTag": "second"}])
    description = await repository.ask("DescribeImages", imageIds=[{"imageDigest": image(1).digest}])
    (left,) = [detail.get("imageTags", []) for detail in description["imageDetails"]]
    await repository.ask("BatchDeleteImage", imageIds=[{"imageDigest": image(1).digest}])
    gone = await repository.ask("DescribeImages", imageIds=[{"imageDigest": image(1).digest}])
    return f"{'one tag less' if left == ['first'] else left}, then {'none' if gone.code else 'still there'}"


async def _twice(repository: ProbedRepository) -> str:
    return (await repository.ask("CreateRepository")).code or "answers"


async def _full(repository: ProbedRepository) -> str:
    await repository.ensure(image(1), "first")
    return (await repository.ask("DeleteRepository")).code or "answers: it is deleted"


_PROBES: Mapping[str, Callable[[ProbedRepository], Awaitable[str]]] = {
    "an image's digest": _digest,
    "the same image under the same tag": _same,
    "another image under an immutable tag": _other,
    "two at once under an immutable tag": _race,
    "layers that are not there": _layers,
    "an image that is not there": _absent,
    "tags of images": _tags,
    "a tag that is deleted": _deleted,
    "a repository that is made twice": _twice,
    "a repository with images": _full,
}
