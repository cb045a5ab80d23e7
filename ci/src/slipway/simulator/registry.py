"""The registry protocol (OCI distribution 1.1) over the store: what `docker push` and slipway's own client speak."""

import base64
import json
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from slipway.oci.content import INDEX, MANIFEST, digest_of
from slipway.simulator.authorization import Guard, Needed
from slipway.simulator.clock import Clock
from slipway.simulator.contract import AwsError
from slipway.simulator.store import Repository, Store

PASSWORD = "simulated"  # noqa: S105 -- the simulator keeps nobody out; clients must send what ECR gave them


class RegistryError(Exception):
    """An error in the words of the specification."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.answer = JSONResponse({"errors": [{"code": code, "message": message}]}, status, headers)


class RegistryProtocol:
    """The routes below /v2/."""

    def __init__(self, store: Store, clock: Clock, account: str) -> None:
        self._store = store
        self._clock = clock
        self._account = account
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
            Route("/layers/{name:path}/{digest}", self.layer),
        ]

    async def ping(self, request: Request) -> Response:
        _signed_in(request)
        return JSONResponse({})

    async def start_upload(self, request: Request) -> Response:
        repository = self._repository(request, "InitiateLayerUpload")
        upload = uuid.uuid4().hex
        self._uploads[upload] = bytearray(await request.body())
        digest = request.query_params.get("digest")
        if digest:
            return self._keep(repository, upload, digest)
        return Response(
            status_code=202, headers={"location": f"/v2/{repository.name}/blobs/uploads/{upload}", "range": "0-0"}
        )

    async def append(self, request: Request) -> Response:
        repository, upload = self._repository(request, "UploadLayerPart"), request.path_params["upload"]
        self._upload(upload).extend(await request.body())
        reached = len(self._uploads[upload]) - 1
        return Response(
            status_code=202,
            headers={"location": f"/v2/{repository.name}/blobs/uploads/{upload}", "range": f"0-{reached}"},
        )

    async def finish_upload(self, request: Request) -> Response:
        repository, upload = (
            self._repository(request, "UploadLayerPart", "CompleteLayerUpload"),
            request.path_params["upload"],
        )
        self._upload(upload).extend(await request.body())
        return self._keep(repository, upload, request.query_params.get("digest", ""))

    async def blob(self, request: Request) -> Response:
        content = self._repository(
            request, "BatchCheckLayerAvailability" if request.method == "HEAD" else "GetDownloadUrlForLayer"
        ).blobs.get(request.path_params["digest"])
        if content is None:
            raise RegistryError(404, "BLOB_UNKNOWN", "blob unknown to registry")
        return Response(
            content,
            media_type="application/octet-stream",
            headers={"docker-content-digest": request.path_params["digest"]},
        )

    async def layer(self, request: Request) -> Response:
        """What GetDownloadUrlForLayer leads to: whoever has the URL may read it."""
        repository = self._store.repositories.get(request.path_params["name"])
        content = repository.blobs.get(request.path_params["digest"]) if repository else None
        if content is None:
            raise RegistryError(404, "BLOB_UNKNOWN", "blob unknown to registry")
        return Response(content, media_type="application/octet-stream")

    async def manifest(self, request: Request) -> Response:
        repository = self._repository(request, "BatchGetImage")
        digest = repository.resolve(request.path_params["reference"])
        if digest is None:
            raise RegistryError(404, "MANIFEST_UNKNOWN", "manifest unknown to registry")
        found = repository.manifests[digest]
        return Response(found.content, headers={"content-type": found.media_type, "docker-content-digest": digest})

    async def put_manifest(self, request: Request) -> Response:
        repository, reference = self._repository(request, "PutImage"), request.path_params["reference"]
        content = await request.body()
        document = _read(repository, content)
        digest = digest_of(content)
        if ":" in reference and reference != digest:
            raise RegistryError(400, "DIGEST_INVALID", f"the manifest has the digest {digest}")
        if ":" not in reference:
            if repository.immutable and repository.tags.get(reference, digest) != digest:
                raise RegistryError(
                    400,
                    "TAG_INVALID",
                    f"The image tag '{reference}' already exists in the '{repository.name}' repository and cannot be overwritten.",
                )
            repository.tags[reference] = digest
        repository.put_manifest(content, request.headers.get("content-type", MANIFEST), self._clock.now())
        subject = (document.get("subject") or {}).get("digest")
        return Response(
            status_code=201,
            headers={"location": f"/v2/{repository.name}/manifests/{digest}", "docker-content-digest": digest}
            | ({"oci-subject": subject} if subject else {}),
        )

    async def referrers(self, request: Request) -> Response:
        """The manifests whose subject is the digest; of one that nobody knows, too, the answer is a list."""
        digest = request.path_params["digest"]
        found = [
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
        return JSONResponse({"schemaVersion": 2, "mediaType": INDEX, "manifests": found}, media_type=INDEX)

    def _repository(self, request: Request, *actions: str) -> Repository:
        """The repository, for whoever may do that to it: the rights are those of ECR's own operations [G]. A password does not say whose it is."""
        _signed_in(request)
        name = request.path_params["name"]
        if name not in self._store.repositories:
            raise RegistryError(
                404, "NAME_UNKNOWN", f"The repository with name '{name}' does not exist in the registry"
            )
        repository = self._store.repositories[name]
        arn = f"arn:aws:ecr:{repository.region}:{self._account}:repository/{name}"
        try:
            self.guard.check(None, self._account, *(Needed(f"ecr:{action}", arn) for action in actions))
        except AwsError as error:
            raise RegistryError(403, "DENIED", error.message) from error
        return repository

    def _upload(self, upload: str) -> bytearray:
        if upload not in self._uploads:
            raise RegistryError(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return self._uploads[upload]

    def _keep(self, repository: Repository, upload: str, digest: str) -> Response:
        content = bytes(self._uploads.pop(upload))
        if digest_of(content) != digest:
            raise RegistryError(400, "DIGEST_INVALID", f"the blob has the digest {digest_of(content)}")
        repository.put_blob(content)
        return Response(
            status_code=201,
            headers={"location": f"/v2/{repository.name}/blobs/{digest}", "docker-content-digest": digest},
        )


def _signed_in(request: Request) -> None:
    expected = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
    if request.headers.get("authorization") != f"Basic {expected}":
        raise RegistryError(401, "UNAUTHORIZED", "Not Authorized", {"www-authenticate": 'Basic realm="simulated ECR"'})


def _read(repository: Repository, content: bytes) -> dict[str, Any]:
    """A manifest, which may only name what is there."""
    try:
        document: dict[str, Any] = json.loads(content)
        parts = [document.get("config"), *document.get("layers", []), *document.get("manifests", [])]
        named = [descriptor["digest"] for descriptor in parts if descriptor]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RegistryError(400, "MANIFEST_INVALID", f"not a manifest: {error}") from error
    for digest in named:
        if not repository.has(digest):
            raise RegistryError(404, "BLOB_UNKNOWN", f"the manifest names {digest}, which was not pushed")
    return document
