import json
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from slipway.errors import BadInputError, RefusedError
from slipway.oci.artifact import Artifact, Blob, canonical, digest_of
from slipway.oci.registry import Login, opened
from slipway.simulator.cloud import LOGIN
from slipway.simulator.serving import serving
from slipway.workload.process import free_port

ARTIFACT = Artifact(
    kind="application/x-test",
    config=Blob("application/x-config", b'{"name": "notes"}'),
    layers=(Blob("application/x-layer", b"one"), Blob("application/x-layer", b"two")),
)


async def at_once(_seconds: float) -> None:
    """Sleep not at all."""


async def push(url: str, artifact: Artifact = ARTIFACT, repository: str = "notes", login: Login | None = LOGIN) -> str:
    async with opened(url, repository, login, at_once) as registry:
        return await registry.push(artifact)


def answering(routes: dict[str, Response]) -> Starlette:
    """Build a registry that answers by `METHOD /path`, otherwise 404; `state` records requests and credentials."""

    async def answer(request: Request) -> Response:
        app.state.asked.append(f"{request.method} {request.url.path}")
        app.state.authorizations.append(request.headers.get("authorization"))
        await request.body()
        return routes.get(app.state.asked[-1], Response("no such place", 404))

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "HEAD", "POST", "PUT"])])
    app.state.asked, app.state.authorizations = [], []
    return app


async def test_what_was_pushed_is_pulled_by_digest(registry_url):
    digest = await push(registry_url)
    assert digest == ARTIFACT.manifest().digest
    async with opened(registry_url, "notes", LOGIN) as registry:
        manifest = await registry.manifest(digest)
        assert canonical(manifest) == ARTIFACT.manifest().content
        assert await registry.blob(manifest["config"]["digest"]) == b'{"name": "notes"}'
        assert [await registry.blob(layer["digest"]) for layer in manifest["layers"]] == [b"one", b"two"]


async def test_pushing_twice_changes_nothing(registry_url):
    assert await push(registry_url) == await push(registry_url)


async def test_what_is_there_already_is_not_uploaded_again():
    there = {f"HEAD /v2/notes/blobs/{blob.digest}": Response() for blob in (ARTIFACT.config, *ARTIFACT.layers)}
    manifest = f"PUT /v2/notes/manifests/{ARTIFACT.manifest().digest}"
    app = answering(there | {manifest: Response(status_code=201)})
    async with serving(app) as address:
        await push(f"http://{address}")
    assert app.state.asked == [*there, manifest]


async def test_a_digest_that_is_not_there_is_bad_input(registry_url):
    async with opened(registry_url, "notes", LOGIN) as registry:
        with pytest.raises(BadInputError, match="notes has no image sha256:00"):
            await registry.manifest("sha256:" + "00" * 32)
        with pytest.raises(BadInputError, match="notes has no blob sha256:00"):
            await registry.blob("sha256:" + "00" * 32)


async def test_who_does_not_sign_in_is_refused(registry_url):
    with pytest.raises(RefusedError, match="401"):
        await push(registry_url, login=None)
    with pytest.raises(RefusedError, match="401"):
        await push(registry_url, login=Login("AWS", "guessed"))


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
async def test_other_bytes_than_those_asked_for_are_refused(kind):
    digest = ARTIFACT.manifest().digest
    app = answering({f"GET /v2/notes/{kind}/{digest}": Response(b'{"mine": "now"}')})
    async with serving(app) as address, opened(f"http://{address}", "notes", None) as registry:
        ask = registry.manifest if kind == "manifests" else registry.blob
        with pytest.raises(RefusedError, match="does not match sha256:"):
            await ask(digest)


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[]"])
async def test_bytes_that_are_no_manifest_are_refused_although_their_digest_is_right(content):
    digest = digest_of(content)
    app = answering({f"GET /v2/notes/manifests/{digest}": Response(content)})
    async with serving(app) as address, opened(f"http://{address}", "notes", None) as registry:
        with pytest.raises(RefusedError, match=f"notes@{digest} is not a manifest"):
            await registry.manifest(digest)


@pytest.mark.parametrize("location", ["http://127.0.0.1:{port}/v2/notes/up", "//127.0.0.1:{port}/v2/notes/up"])
async def test_an_upload_that_is_sent_to_another_host_is_refused_before_anything_goes_there(location):
    elsewhere = answering({})
    async with serving(elsewhere) as other:
        port = other.rpartition(":")[2]
        started = Response(status_code=202, headers={"location": location.format(port=port)})
        async with serving(answering({"POST /v2/notes/blobs/uploads/": started})) as address:
            with pytest.raises(RefusedError, match="the registry redirects the upload to 127"):
                await push(f"http://{address}")
    assert elsewhere.state.asked == []


async def test_an_upload_location_may_be_relative_and_carry_a_state():
    blobs = (ARTIFACT.config, *ARTIFACT.layers)
    started = Response(status_code=202, headers={"location": "/v2/notes/blobs/uploads/7?_state=abc"})
    app = answering(
        {
            "POST /v2/notes/blobs/uploads/": started,
            "PUT /v2/notes/blobs/uploads/7": Response(status_code=201),
            f"PUT /v2/notes/manifests/{ARTIFACT.manifest().digest}": Response(status_code=201),
        }
    )
    async with serving(app) as address:
        await push(f"http://{address}")
    assert app.state.asked.count("PUT /v2/notes/blobs/uploads/7") == len(blobs)


async def test_a_blob_that_is_kept_elsewhere_is_fetched_without_the_password():
    blob = ARTIFACT.config
    elsewhere = answering({"GET /bucket/blob": Response(blob.content)})
    async with serving(elsewhere) as other:
        moved = Response(status_code=307, headers={"location": f"http://{other}/bucket/blob"})
        async with (
            serving(answering({f"GET /v2/notes/blobs/{blob.digest}": moved})) as address,
            opened(f"http://{address}", "notes", LOGIN) as registry,
        ):
            assert await registry.blob(blob.digest) == blob.content
    assert elsewhere.state.asked == ["GET /bucket/blob"]
    assert elsewhere.state.authorizations == [None]


async def test_a_refusal_contains_the_registrys_message():
    denied = Response(json.dumps({"errors": [{"code": "DENIED", "message": "quota"}]}), 403)
    async with serving(answering({"POST /v2/notes/blobs/uploads/": denied})) as address:
        with pytest.raises(RefusedError, match=r"refused POST blobs/uploads/ with 403.*quota"):
            await push(f"http://{address}")


async def test_a_registry_that_does_not_answer_is_one_sentence():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(RefusedError, match="does not answer"):
        await push(url)
    async with opened(url, "notes", LOGIN, at_once) as registry:
        with pytest.raises(RefusedError, match="does not answer"):
            await registry.blob(ARTIFACT.config.digest)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "GET"])
async def test_two_minutes_without_network_end_neither_a_push_nor_a_pull(registry_url, monkeypatch, method):
    """The connection is lost while a request of this method is sent: also an upload that has begun."""
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def request(client, name, *args, **parts):
        if name == method and sum(slept) < 120:
            raise httpx.ReadError("reset")
        return await send(client, name, *args, **parts)

    async with opened(registry_url, "notes", LOGIN, sleep) as registry:
        send = httpx.AsyncClient.request
        await registry.push(replace(ARTIFACT, annotations={"not": "cut off"}))
        monkeypatch.setattr(httpx.AsyncClient, "request", request)
        digest = await registry.push(replace(ARTIFACT, layers=(Blob("application/x-layer", b"three"),)))
        assert (await registry.manifest(digest))["layers"]


async def test_a_registry_that_is_overloaded_is_asked_again():
    digest = ARTIFACT.manifest().digest
    place = f"GET /v2/notes/manifests/{digest}"
    routes = {place: Response(status_code=503)}

    async def recover(_seconds: float) -> None:
        routes[place] = Response(ARTIFACT.manifest().content)

    async with serving(answering(routes)) as address, opened(f"http://{address}", "notes", None, recover) as registry:
        assert await registry.manifest_content(digest)


def test_a_login_does_not_show_its_password():
    assert "hunter2" not in f"{Login('AWS', 'hunter2')!r} {Login('AWS', 'hunter2')}"
