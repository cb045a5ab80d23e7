"""An ECR repository as its account shows it: images of a few bytes, put by digest and under tags that cannot be moved."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio

from slipway.conformance.account import MISSHAPEN, TAG, Account, Answer, SilentError, masked
from slipway.conformance.findings import Findings
from slipway.oci.content import EMPTY, Artifact, Blob, digest_of

_LAYER = Blob("application/vnd.slipway.conformance", b"a layer")
_ABSENT = Blob(_LAYER.media_type, b"a layer that nobody uploads")
_KIND = "application/vnd.slipway.conformance"


class Repository:
    """One repository of the run, with immutable tags."""

    def __init__(self, account: Account, name: str) -> None:
        self._account = account
        self._name = name

    async def create(self, run: str) -> None:
        """Raises SilentError when the account would not."""
        tags = [{"Key": TAG, "Value": run}]
        made = await self._account.ask(
            "ecr", "CreateRepository", repositoryName=self._name, imageTagMutability="IMMUTABLE", tags=tags
        )
        if made.code:
            raise SilentError(masked(f"CreateRepository: {made.error}"))

    async def ask(self, call: str, **parameters: Any) -> Answer:
        return await self._account.ask("ecr", call, repositoryName=self._name, **parameters)

    async def upload(self, blob: Blob) -> None:
        """A layer, or the configuration of an image. Raises SilentError."""
        upload = (await self.ask("InitiateLayerUpload"))["uploadId"]
        part = {"partFirstByte": 0, "partLastByte": len(blob.content) - 1, "layerPartBlob": blob.content}
        await self.ask("UploadLayerPart", uploadId=upload, **part)
        await self.ask("CompleteLayerUpload", uploadId=upload, layerDigests=[blob.digest])

    async def has(self, manifest: Blob, tag: str) -> None:
        """See to it that an image is there under a tag. Raises SilentError."""
        answer = await self.put(manifest, tag)
        if answer.code not in ("", "ImageAlreadyExistsException"):
            raise SilentError(masked(f"PutImage: {answer.error}"))

    async def put(self, manifest: Blob, tag: str) -> Answer:
        return await self.ask(
            "PutImage",
            imageManifest=manifest.content.decode(),
            imageManifestMediaType=manifest.media_type,
            imageTag=tag,
        )


def image(number: int, layer: Blob = _LAYER) -> Blob:
    """The manifest of an image like no other."""
    return Artifact(kind=_KIND, config=EMPTY, layers=(layer,), annotations={"number": str(number)}).manifest()


async def look(account: Account, name: str, run: str, findings: Findings) -> None:
    """Make the repository, and look at each of its behaviours."""
    repository = Repository(account, name)
    try:
        await repository.create(run)
        for blob in (EMPTY, _LAYER):
            await repository.upload(blob)
    except SilentError as error:
        for subject in _LOOKS:
            findings.missed(subject, str(error))
        return
    for subject, see in _LOOKS.items():
        try:
            findings.saw(subject, masked(await see(repository)))
        except SilentError as error:
            findings.missed(subject, str(error))
        except MISSHAPEN as error:
            findings.missed(subject, f"an answer of another shape: {error!r}")


async def _digest(repository: Repository) -> str:
    put = await repository.put(image(1), "first")
    digest = put["image"]["imageId"]["imageDigest"]
    return "sha256 of the manifest's bytes" if digest == digest_of(image(1).content) else str(digest)


async def _same(repository: Repository) -> str:
    await repository.has(image(1), "first")
    return (await repository.put(image(1), "first")).code or "answers"


async def _other(repository: Repository) -> str:
    await repository.has(image(1), "first")
    refused = await repository.put(image(2), "first")
    got = await repository.ask("BatchGetImage", imageIds=[{"imageTag": "first"}])
    stays = [found["imageId"]["imageDigest"] for found in got["images"]] == [image(1).digest]
    return f"{refused.code or 'answers'}, and the first {'stays' if stays else 'is gone'}"


async def _race(repository: Repository) -> str:
    """Two at once, one of which is to win."""
    codes: list[str] = []

    async def put(number: int) -> None:
        codes.append((await repository.put(image(number), "race")).code)

    async with anyio.create_task_group() as tasks:
        for number in (3, 4):
            tasks.start_soon(put, number)
    return ", ".join(f"one {code or 'put'}" for code in sorted(codes))


async def _layers(repository: Repository) -> str:
    return (await repository.put(image(5, _ABSENT), "without")).code or "answers"


async def _absent(repository: Repository) -> str:
    wanted = [{"imageDigest": image(6).digest}]
    described = await repository.ask("DescribeImages", imageIds=wanted)
    got = await repository.ask("BatchGetImage", imageIds=wanted)
    failures = ", ".join(failure["failureCode"] for failure in got["failures"])
    return f"{described.code or 'answers'}, failure {failures or 'none'}"


async def _tags(repository: Repository) -> str:
    for tag in ("first", "second"):
        await repository.has(image(1), tag)
    described = await repository.ask("DescribeImages", imageIds=[{"imageTag": "second"}])
    listed = await repository.ask("ListImages", filter={"tagStatus": "TAGGED"})
    told = [(detail["imageDigest"], set(detail["imageTags"])) for detail in described["imageDetails"]]
    ids = {(found["imageDigest"], found["imageTag"]) for found in listed["imageIds"]}
    wanted = {(image(1).digest, "first"), (image(1).digest, "second")}
    right = told == [(image(1).digest, {"first", "second"})] and wanted <= ids
    return "described and listed by tag and digest" if right else json.dumps([sorted(tags) for _, tags in told])


async def _deleted(repository: Repository) -> str:
    for tag in ("first", "second"):
        await repository.has(image(1), tag)
    await repository.ask("BatchDeleteImage", imageIds=[{"imageTag": "second"}])
    described = await repository.ask("DescribeImages", imageIds=[{"imageDigest": image(1).digest}])
    (left,) = [detail.get("imageTags", []) for detail in described["imageDetails"]]
    await repository.ask("BatchDeleteImage", imageIds=[{"imageDigest": image(1).digest}])
    gone = await repository.ask("DescribeImages", imageIds=[{"imageDigest": image(1).digest}])
    return f"{'one tag less' if left == ['first'] else left}, then {'none' if gone.code else 'still there'}"


async def _twice(repository: Repository) -> str:
    return (await repository.ask("CreateRepository")).code or "answers"


async def _full(repository: Repository) -> str:
    await repository.has(image(1), "first")
    return (await repository.ask("DeleteRepository")).code or "answers: it is deleted"


_LOOKS: Mapping[str, Callable[[Repository], Awaitable[str]]] = {
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
