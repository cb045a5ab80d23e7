"""The image: it exists by digest, is one manifest for the service's platform, and its repository has immutable tags."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx

from slipway.errors import RefusedError
from slipway.oci.artifact import INDEX, MANIFEST, TREE, digest_of
from slipway.oci.registry import certificates
from slipway.records.checks import Check, PreflightResult
from slipway.records.image import Reference
from slipway.release.aws.client import Aws
from slipway.release.aws.ecr import EcrStore
from slipway.release.engine.plan import PLATFORM, ServiceSpec
from slipway.release.errors import AwsRefusedError, or_absent
from slipway.release.preflight.checks import Checks, covered, no, not_covered, ok
from slipway.settings.service import ledger_repository
from slipway.untrusted import json_object, one_line

_DOCKER = "application/vnd.docker.distribution.manifest"
_MEDIA_TYPES = (MANIFEST, INDEX, f"{_DOCKER}.v2+json", f"{_DOCKER}.list.v2+json")
_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
_BUILD = "build it for {0} (docker build --platform {0}) and push that"
_DOWNLOAD = "check the proxy of this machine, or its VPC's endpoint for S3, where ECR keeps the files of images"
_ABSENT = "push it first; `dagger call publish` prints the digest"
_DELETED = (
    "its image was deleted: go back to another one with `slipway rollback --to NUMBER`, or build its commit again and deploy that; "
    "`slipway history` has the numbers and the commits"
)
_MOST_BYTES = 4 * 1024 * 1024  # of an image's config
_TIMEOUT_SECONDS = 10.0


async def checks_of_image(aws: Aws, spec: ServiceSpec) -> Checks:
    judged = await _judged(aws, spec)
    if len(judged) == 1:  # the only check says that there is no image
        return judged
    name = spec.image.repository.partition("/")[2]
    return *judged, *await covered("tags", _tags(aws, name, spec.environment))


async def refusal_of(aws: Aws, spec: ServiceSpec) -> Check | None:
    """Return the check that refuses the image; None when it can be deployed, or could not be read."""
    checks = await covered("image", _judged(aws, spec))
    return next((check for check in checks if check.verdict is PreflightResult.REFUSED), None)


def going_back(check: Check) -> Check:
    """Return a check with the remedy for a release that was live before: a missing image was deleted, so pushing is no remedy."""
    return replace(check, remedy=_DELETED) if check.remedy == _ABSENT else check


async def _judged(aws: Aws, spec: ServiceSpec) -> Checks:
    name = spec.image.repository.partition("/")[2]
    manifest = await _manifest(aws, name, spec.image)
    if isinstance(manifest, Check):
        return (manifest,)
    return ok("digest", f"{name} has {spec.image.digest}"), *await covered(
        "platform", _platform(aws, name, spec, manifest)
    )


async def _manifest(aws: Aws, name: str, image: Reference) -> Mapping[str, Any] | Check:
    """Return the manifest of the image; a check when there is none."""
    wanted = [{"imageDigest": image.digest}]
    call = aws.call("ecr", "batch_get_image", repositoryName=name, imageIds=wanted, acceptedMediaTypes=[*_MEDIA_TYPES])
    answer = await or_absent(call, "RepositoryNotFoundException")
    if answer is None:
        create = "create the repository, or correct name in [tool.slipway]"
        return no("digest", f"there is no repository {name}", create)
    if not answer["images"]:
        code = next((failure.get("failureCode", "") for failure in answer["failures"]), "")
        if code in ("ImageNotFound", "InvalidImageDigest"):
            absent = f"the repository {name} has no image {image.digest}"
            return no("digest", absent, _ABSENT)
        return not_covered("digest", f"ECR does not return it: {one_line(code) or 'it names no reason'}")
    text = str(answer["images"][0]["imageManifest"])
    if digest_of(text.encode()) != image.digest:
        return no("digest", f"ECR returns another manifest than {image.digest}", "do not use it; push the image again")
    return json_object(text)


async def _platform(aws: Aws, name: str, spec: ServiceSpec, manifest: Mapping[str, Any]) -> Checks:
    """Check the operating system and architecture of the image."""
    if isinstance(entries := manifest.get("manifests"), list):
        return (judge_index(spec.image, entries, spec.platform),)
    if manifest.get("artifactType") == TREE:
        return (judge_tree(real=aws.endpoint_url is None),)
    description = manifest.get("config")
    config: Mapping[str, Any] = description if isinstance(description, Mapping) else {}
    if config.get("mediaType") not in _CONFIGS:
        kind = one_line(str(manifest.get("artifactType") or config.get("mediaType") or "an unknown kind"))
        problem = f"{spec.image.digest} is an artifact of {kind}, not an image"
        return (no("platform", problem, "deploy the digest of an image"),)
    digest = str(config.get("digest"))
    answer = await aws.call("ecr", "get_download_url_for_layer", repositoryName=name, layerDigest=digest)
    try:
        content = await _downloaded(answer["downloadUrl"], digest)
    except (httpx.HTTPError, RefusedError) as error:
        return (not_covered("platform", f"its config cannot be read: {one_line(str(error)) or type(error).__name__}"),)
    return (judge_config(json_object(content.decode(errors="replace")), spec.platform),)


def judge_index(image: Reference, entries: Sequence[Any], wanted: str = PLATFORM) -> Check:
    """Refuse an image index, and name the only manifest in it that fits."""
    fitting = [
        one_line(str(entry["digest"]))
        for entry in entries
        if isinstance(entry, Mapping) and "digest" in entry and _machine(entry.get("platform")) == wanted
    ]
    problem = f"{image.digest} is an image index, not the manifest of one platform"
    if not fitting:
        return no("platform", f"{problem}, and has none for {wanted}", _BUILD.format(wanted))
    return no("platform", problem, f"deploy the one for {wanted}: {image.repository}@{fitting[0]}")


def judge_tree(*, real: bool) -> Check:
    """Judge a source tree, which a machine without a container engine builds. `real`: the account is AWS's own."""
    if real:
        return no("platform", "it is a source tree, not an image", "build an image: dagger call publish")
    return not_covered("platform", "it is a source tree, which has none and runs in a simulated account only")


def judge_config(config: Mapping[str, Any], wanted: str = PLATFORM) -> Check:
    """Judge the platform in an image's config."""
    machine = _machine(config)
    if not machine:
        return not_covered("platform", "its config names no platform")
    if machine != wanted:
        problem = f"the image is for {one_line(machine)}, and the platform runs {wanted} only"
        return no("platform", problem, _BUILD.format(wanted))
    return ok("platform", f"one manifest, for {wanted}")


def _machine(description: Any) -> str:
    """Return `os/architecture`; empty when the description has neither."""
    if not isinstance(description, Mapping):
        return ""
    return f"{description.get('os', '')}/{description.get('architecture', '')}".strip("/")


async def _downloaded(url: str, digest: str) -> bytes:
    """Download a small blob from the URL that ECR has signed. Raise httpx.HTTPError or RefusedError when this fails."""
    content = b""
    async with (
        httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, verify=certificates()) as client,
        client.stream("GET", url) as download,
    ):
        if download.is_error:
            raise RefusedError(f"the storage of ECR answers {download.status_code}", _DOWNLOAD)
        async for part in download.aiter_bytes():
            content += part
            if len(content) > _MOST_BYTES:
                raise RefusedError(f"it is larger than {_MOST_BYTES} bytes", "build the image again")
    if digest_of(content) != digest:
        raise RefusedError("the download has another digest", "do not deploy it; push the image again")
    return content


async def _tags(aws: Aws, name: str, environment: str) -> Checks:
    try:
        await EcrStore(aws, ledger_repository(name, environment)).check()
    except AwsRefusedError:
        raise
    except RefusedError as error:
        return (no("tags", error.what, error.next_step),)
    return (ok("tags", "tags of slipway's records are immutable"),)
