"""The image store and, on top of it, the registry protocol (OCI distribution 1.1), as docker and slipway use it.

ECR's API works on the same store.
"""

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from slipway.oci.artifact import INDEX, MANIFEST, digest_of
from slipway.simulator.authorization import Guard, Needed
from slipway.simulator.clock import Clock
from slipway.simulator.contract import ACCOUNT, REGION, AwsError, Call
from slipway.simulator.lifecycle import LifecyclePolicy

PUBLIC = "public.ecr.aws"


@dataclass
class Manifest:
    """The bytes of a manifest, and the time of its push."""

    media_type: str
    content: bytes
    pushed: datetime

    @property
    def artifact_type(self) -> str | None:
        """The manifest's artifactType, or its config's media type; None without either."""
        document = json.loads(self.content)
        kind = document.get("artifactType") or (document.get("config") or {}).get("mediaType")
        return str(kind) if kind else None


@dataclass(kw_only=True)
class Repository:
    """A repository in memory, with its blobs, manifests and tags."""

    name: str
    created: datetime
    host: str = ""  # the registry's host; empty for the home registry
    immutable: bool = False  # whether a tag can be put only once
    exclusions: tuple[str, ...] = ()  # wildcards of tags for which the opposite of `immutable` is true
    lifecycle: LifecyclePolicy | None = None
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)  # AWS's tags on the repository itself

    @property
    def path(self) -> str:
        """The repository's path for the simulator's own login, which can reach every registry."""
        return f"{self.host}/{self.name}" if self.host else self.name

    def is_taken(self, tag: str, digest: str) -> bool:
        """Return whether a tag cannot be moved to a digest, because it is immutable and names another image."""
        fixed = self.immutable is not any(fnmatchcase(tag, wildcard) for wildcard in self.exclusions)
        return fixed and self.tags.get(tag, digest) != digest

    def expire(self, now: datetime) -> None:
        """Delete the images that the lifecycle policy expires up to now."""
        if self.lifecycle:
            tagged = {digest: (manifest.pushed, self.tags_of(digest)) for digest, manifest in self.manifests.items()}
            for digest in self.lifecycle.due(tagged, now):
                if not self.is_referenced(digest):
                    self.delete(digest)

    def is_referenced(self, digest: str) -> bool:
        """Return whether an index contains a manifest. Such a manifest cannot be deleted."""
        indexes = (json.loads(manifest.content) for manifest in self.manifests.values())
        return any(digest == each.get("digest") for index in indexes for each in index.get("manifests", ()))

    def delete(self, digest: str) -> None:
        del self.manifests[digest]
        for tag in self.tags_of(digest):
            del self.tags[tag]

    def put_blob(self, content: bytes) -> str:
        digest = digest_of(content)
        self.blobs[digest] = content
        return digest

    def put_manifest(self, content: bytes, media_type: str, pushed: datetime) -> str:
        """Store a manifest under the digest of its bytes. An existing one keeps its push time."""
        digest = digest_of(content)
        self.manifests.setdefault(digest, Manifest(media_type, content, pushed))
        return digest

    def absent(self, manifest: bytes) -> list[str]:
        """Return the digests to which a manifest refers and that are missing. Raise ValueError when it is no manifest."""
        try:
            document = json.loads(manifest)
            parts = [document.get("config"), *document.get("layers", []), *document.get("manifests", [])]
            digests = dict.fromkeys(descriptor["digest"] for descriptor in parts if descriptor)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(str(error)) from error
        return [digest for digest in digests if digest not in self.blobs and digest not in self.manifests]

    def tags_of(self, digest: str) -> list[str]:
        return [tag for tag, tagged in self.tags.items() if tagged == digest]

    def resolve(self, reference: str) -> str | None:
        """Return the digest of a manifest for its tag or digest; None when it does not exist."""
        digest = self.tags.get(reference, reference)
        return digest if digest in self.manifests else None

    def architecture(self, digest: str) -> str | None:
        """Return the architecture in an image's config; None when it has none."""
        config = json.loads(self.manifests[digest].content).get("config") or {}
        try:
            document = json.loads(self.blobs.get(str(config.get("digest")), b"{}"))
        except ValueError:
            return None
        return document.get("architecture") if isinstance(document, dict) else None


PASSWORD = "simulated"  # noqa: S105 -- not a secret; clients must send what ECR gave them


@dataclass(kw_only=True)
class ImageStore:
    """The repositories of an account in one region, and the simulated repositories of ECR Public."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    public: dict[str, Repository] = field(default_factory=dict)
    account: str = ACCOUNT
    region: str = REGION
    # the registries of all accounts and regions, by host
    registries: dict[str, "ImageStore"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registries[self.host] = self

    @property
    def host(self) -> str:
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"

    @property
    def is_home(self) -> bool:
        return (self.account, self.region) == (ACCOUNT, REGION)

    @property
    def password(self) -> str:
        """The password for the registry protocol, whose requests contain no region.

        The home password can reach every registry.
        """
        return PASSWORD if self.is_home else f"{PASSWORD}.{self.host}"

    def create(self, name: str, created: datetime, **how: Any) -> Repository:
        host = "" if self.is_home else self.host
        self.repositories[name] = Repository(name=name, created=created, host=host, **how)
        return self.repositories[name]

    def at(self, uri: str) -> Repository | None:
        """Return the repository with a URI, which has neither tag nor digest; None when there is none."""
        registry, _, name = uri.partition("/")
        if registry == PUBLIC:
            return self.public.get(name)
        return self.registries[registry].repositories.get(name) if registry in self.registries else None

    def find(self, image: str) -> tuple[Repository, str] | None:
        """Return the repository and the digest of an image, by URI and tag or digest; None when there is none."""
        uri, _, digest = image.partition("@")
        host, _, path = uri.partition("/")
        name, _, tag = path.partition(":")
        repository = self.at(f"{host}/{name}")
        resolved = repository.resolve(digest or tag or "latest") if repository else None
        return (repository, resolved) if repository and resolved else None


class RegistryError(Exception):
    """An error that is answered in the form of the distribution specification."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.answer = JSONResponse({"errors": [{"code": code, "message": message}]}, status, headers)


class RegistryProtocol:
    """The distribution API below /v2/, and the downloads of layers."""

    def __init__(self, home: ImageStore, clock: Clock) -> None:
        self._home = home
        self._clock = clock
        self.guard = Guard()
        self._uploads: dict[str, bytearray] = {}
        self.routes = [
            Route("/v2/", self.ping),
            Route("/v2/{name:path}/blobs/uploads/", self.start_upload, methods=["POST"]),
            Route("/v2/{name:path}/blobs/uploads/{upload}", self.append, methods=["PATCH"]),
            Route("/v2/{name:path}/blobs/uploads/{upload}", self.finish_upload, methods=["PUT"]),
            Route("/v2/{name:path}/blobs/{digest}", self.blob, methods=["GET", "HEAD"]),
            Route("/v2/{name:path}/manifests/{reference}", self.manifest, methods=["GET", "HEAD"]),
            Route("/v2/{name:path}/manifests/{reference}", self.put_manifest, methods=["PUT"]),
            Route("/v2/{name:path}/referrers/{digest}", self.referrers),
            Route("/layers/{host}/{name:path}/{digest}", self.layer),
        ]

    async def ping(self, request: Request) -> Response:
        self._registry(request)
        return JSONResponse({})

    async def start_upload(self, request: Request) -> Response:
        repository = self._repository(request, "InitiateLayerUpload")
        upload = uuid.uuid4().hex
        self._uploads[upload] = bytearray(await request.body())
        digest = request.query_params.get("digest")
        return self._keep(request, repository, upload, digest) if digest else _accepted(request, upload, 0)

    async def append(self, request: Request) -> Response:
        self._repository(request, "UploadLayerPart")
        upload = request.path_params["upload"]
        self._upload(upload).extend(await request.body())
        return _accepted(request, upload, len(self._uploads[upload]) - 1)

    async def finish_upload(self, request: Request) -> Response:
        repository = self._repository(request, "UploadLayerPart", "CompleteLayerUpload")
        upload = request.path_params["upload"]
        self._upload(upload).extend(await request.body())
        return self._keep(request, repository, upload, request.query_params.get("digest", ""))

    async def blob(self, request: Request) -> Response:
        action = "BatchCheckLayerAvailability" if request.method == "HEAD" else "GetDownloadUrlForLayer"
        return _blob(self._repository(request, action), request.path_params["digest"])

    async def layer(self, request: Request) -> Response:
        """Return a layer for a URL of GetDownloadUrlForLayer, which needs no login."""
        name, host = request.path_params["name"], request.path_params["host"]
        return _blob(self._home.at(f"{host}/{name}"), request.path_params["digest"])

    async def manifest(self, request: Request) -> Response:
        repository = self._repository(request, "BatchGetImage")
        digest = repository.resolve(request.path_params["reference"])
        if digest is None:
            raise RegistryError(404, "MANIFEST_UNKNOWN", "manifest unknown to registry")
        manifest = repository.manifests[digest]
        headers = {"content-type": manifest.media_type, "docker-content-digest": digest}
        return Response(manifest.content, headers=headers)

    async def put_manifest(self, request: Request) -> Response:
        repository, reference = self._repository(request, "PutImage"), request.path_params["reference"]
        content = await request.body()
        digest = digest_of(content)
        try:
            absent = repository.absent(content)
        except ValueError as error:
            raise RegistryError(400, "MANIFEST_INVALID", f"not a manifest: {error}") from error
        if absent:
            raise RegistryError(404, "BLOB_UNKNOWN", f"the manifest refers to {absent[0]}, which was not pushed")
        if ":" not in reference:
            if repository.is_taken(reference, digest):
                message = f"The image tag '{reference}' already exists in the '{repository.name}' repository and cannot be overwritten."
                raise RegistryError(400, "TAG_INVALID", message)
            repository.tags[reference] = digest
        elif reference != digest:
            raise RegistryError(400, "DIGEST_INVALID", f"the manifest has the digest {digest}")
        repository.put_manifest(content, request.headers.get("content-type", MANIFEST), self._clock.now())
        subject = (json.loads(content).get("subject") or {}).get("digest")
        return _created(
            f"/v2/{request.path_params['name']}/manifests/{digest}", digest, {"oci-subject": subject} if subject else {}
        )

    async def referrers(self, request: Request) -> Response:
        """Return the manifests whose subject is the digest; an empty list for an unknown digest."""
        digest = request.path_params["digest"]
        manifests = [
            {
                "mediaType": manifest.media_type,
                "digest": own,
                "size": len(manifest.content),
                "artifactType": manifest.artifact_type,
                "annotations": document.get("annotations", {}),
            }
            for own, manifest in self._repository(request, "ListImageReferrers").manifests.items()
            if (document := json.loads(manifest.content)).get("subject", {}).get("digest") == digest
        ]
        return JSONResponse({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}, media_type=INDEX)

    def _repository(self, request: Request, *actions: str) -> Repository:
        """Return the named repository, if its policy allows the `actions` to everybody [G]: a registry password does not identify the caller."""
        store, name = self._registry(request), request.path_params["name"]
        host, _, rest = name.partition("/")
        if store.is_home and host in store.registries:
            store, name = store.registries[host], rest
        if name not in store.repositories:
            message = f"The repository with name '{name}' does not exist in the registry"
            raise RegistryError(404, "NAME_UNKNOWN", message)
        now, repository = self._clock.now(), store.repositories[name]
        repository.expire(now)
        call = Call(region=store.region, account=store.account, now=now, endpoint=str(request.base_url))
        arn = f"arn:aws:ecr:{call.region}:{call.account}:repository/{name}"
        try:
            self.guard.check(call, [Needed(f"ecr:{action}", arn) for action in actions], anonymous=True)
        except AwsError as error:
            raise RegistryError(403, "DENIED", error.message) from error
        return repository

    def _registry(self, request: Request) -> ImageStore:
        """Return the registry to which the login belongs."""
        authorization = request.headers.get("authorization")
        for store in self._home.registries.values():
            if authorization == f"Basic {base64.b64encode(f'AWS:{store.password}'.encode()).decode()}":
                return store
        raise RegistryError(401, "UNAUTHORIZED", "Not Authorized", {"www-authenticate": 'Basic realm="simulated ECR"'})

    def _upload(self, upload: str) -> bytearray:
        if upload not in self._uploads:
            raise RegistryError(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return self._uploads[upload]

    def _keep(self, request: Request, repository: Repository, upload: str, digest: str) -> Response:
        content = bytes(self._uploads.pop(upload))
        if digest_of(content) != digest:
            raise RegistryError(400, "DIGEST_INVALID", f"the blob has the digest {digest_of(content)}")
        repository.put_blob(content)
        return _created(f"/v2/{request.path_params['name']}/blobs/{digest}", digest)


def _created(location: str, digest: str, also: Mapping[str, str] | None = None) -> Response:
    headers = {"location": location, "docker-content-digest": digest, **(also or {})}
    return Response(status_code=201, headers=headers)


def _accepted(request: Request, upload: str, reached: int) -> Response:
    location = f"/v2/{request.path_params['name']}/blobs/uploads/{upload}"
    return Response(status_code=202, headers={"location": location, "range": f"0-{reached}"})


def _blob(repository: Repository | None, digest: str) -> Response:
    content = repository.blobs.get(digest) if repository else None
    if content is None:
        raise RegistryError(404, "BLOB_UNKNOWN", "blob unknown to registry")
    return Response(content, media_type="application/octet-stream", headers={"docker-content-digest": digest})
