"""A small registry client that pushes and pulls by digest, with the OCI distribution protocol.

All of its operations are idempotent. They are repeated while the registry does not answer, for almost three minutes if
it has answered before.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from slipway.errors import BadInputError, RefusedError
from slipway.oci.artifact import INDEX, MANIFEST, Artifact, Blob, digest_of
from slipway.oci.patience import Patience

if TYPE_CHECKING:
    import ssl

    import httpx

_DOCKER = "application/vnd.docker.distribution.manifest"
T = TypeVar("T")
_ACCEPT = f"{MANIFEST}, {INDEX}, {_DOCKER}.v2+json, {_DOCKER}.list.v2+json"


@dataclass(frozen=True)
class Login:
    """Credentials for a registry. ECR's are valid for twelve hours."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.user!r}, …)"


class _SilentError(RefusedError):
    """The registry does not answer, or answers that it is temporarily unable to."""


class Registry:
    """A client for one repository of a registry."""

    def __init__(
        self, client: "httpx.AsyncClient", repository: str, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    ) -> None:
        self._client = client
        self._repository = repository
        self._patience = Patience(sleep=sleep, unreached=_SilentError)

    async def push(self, artifact: Artifact) -> str:
        """Upload missing blobs, then the manifest. Return its digest. Raise RefusedError when the registry refuses."""
        for blob in (artifact.config, *artifact.layers):
            await self._repeated(partial(self._push_blob, blob))
        manifest = artifact.manifest()
        send = partial(self._send, content=manifest.content, headers={"content-type": manifest.media_type})
        await self._repeated(partial(send, "PUT", f"manifests/{manifest.digest}"))
        return manifest.digest

    async def manifest(self, digest: str) -> dict[str, Any]:
        """Return a manifest as data.

        Raise BadInputError when the digest does not exist, RefusedError when its content is no manifest.
        """
        content = await self.manifest_content(digest)
        try:
            document = json.loads(content)
        except ValueError as error:
            raise RefusedError(
                f"{self._repository}@{digest} is not a manifest", f"{error}; push the image again"
            ) from error
        if not isinstance(document, dict):
            raise RefusedError(
                f"{self._repository}@{digest} is not a manifest", "it is not a JSON object; push the image again"
            )
        return document

    async def manifest_content(self, digest: str) -> bytes:
        """Return the bytes of a manifest after verifying their digest."""
        get = partial(self._send, "GET", f"manifests/{digest}", headers={"accept": _ACCEPT})
        answer = await self._repeated(get)
        return _verified(answer.content, digest)

    async def blob(self, digest: str) -> bytes:
        """Return the bytes of a blob. Raise BadInputError when it does not exist."""
        answer = await self._repeated(partial(self._send, "GET", f"blobs/{digest}"))
        return _verified(answer.content, digest)

    async def _push_blob(self, blob: Blob) -> None:
        existing = await self._ask("HEAD", f"blobs/{blob.digest}")
        if existing.status_code == HTTPStatus.OK:
            return
        started = await self._send("POST", "blobs/uploads/")
        location = self._client.base_url.join(started.headers["location"]).copy_add_param("digest", blob.digest)
        if location.netloc != self._client.base_url.netloc:
            raise RefusedError(
                f"the registry redirects the upload to {location.host}",
                "slipway sends the registry's password to no other host; check the registry",
            )
        await self._send(
            "PUT", str(location), content=blob.content, headers={"content-type": "application/octet-stream"}
        )

    async def _ask(self, method: str, place: str, **request: Any) -> "httpx.Response":
        import httpx

        try:
            answer = await self._client.request(method, self._path(place), **request)
        except httpx.HTTPError as error:
            raise _SilentError(
                f"the registry at {self._client.base_url} does not answer", str(error) or type(error).__name__
            ) from error

        self._patience.answered = True
        if answer.is_server_error or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise _SilentError(f"the registry refused {method} {place} with {answer.status_code}", answer.text[:300])
        return answer

    async def _repeated(self, work: Callable[[], Awaitable[T]]) -> T:
        return await self._patience.repeated(work, lambda error: isinstance(error, _SilentError))

    async def _send(self, method: str, place: str, **request: Any) -> "httpx.Response":
        answer = await self._ask(method, place, **request)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise BadInputError(
                f"the repository {self._repository} has no {_described(place)}", "push it first, or check the digest"
            )
        if answer.is_error:
            raise RefusedError(f"the registry refused {method} {place} with {answer.status_code}", answer.text[:300])
        return answer

    def _path(self, place: str) -> str:
        return place if place.startswith(("http://", "https://", "/")) else f"/v2/{self._repository}/{place}"


@asynccontextmanager
async def opened(
    url: str, repository: str, login: Login | None, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
) -> AsyncIterator[Registry]:
    import httpx

    auth = httpx.BasicAuth(login.user, login.password) if login else None
    client = httpx.AsyncClient(base_url=url, auth=auth, timeout=60, follow_redirects=True, verify=certificates())
    async with client:
        yield Registry(client, repository, sleep)


@cache
def certificates() -> "ssl.SSLContext":
    """Return the machine's certificates. Load them only once, because that takes 40 ms or more."""
    import httpx

    return httpx.create_ssl_context()


def _described(place: str) -> str:
    """Return words for a path: `image sha256:…` for `manifests/sha256:…`."""
    return place.replace("manifests/", "image ").replace("blobs/", "blob ")


def _verified(content: bytes, digest: str) -> bytes:
    if digest_of(content) != digest:
        raise RefusedError(
            f"the registry returned content that does not match {digest}",
            "slipway did not use it; check the registry, or a proxy in front of it",
        )
    return content
