import json
import secrets

import httpx
import pytest

from slipway.oci.artifact import MANIFEST, canonical, digest_of
from slipway.simulator.cloud import LOGIN
from slipway.workload.workload import NO_CERTIFICATES

BLOB = b"some bytes"
CONFIG = {"mediaType": "application/x", "digest": digest_of(BLOB), "size": len(BLOB)}
DOCUMENT = canonical({"schemaVersion": 2, "mediaType": MANIFEST, "config": CONFIG, "layers": [CONFIG]})
ABSENT = "sha256:" + "0" * 64


@pytest.fixture
async def registry(shared_account):
    """A client that has signed in; its base is a repository with immutable tags."""
    name = f"team/{secrets.token_hex(4)}"
    await shared_account.ask("ecr", "create_repository", repositoryName=name, imageTagMutability="IMMUTABLE")
    async with httpx.AsyncClient(
        verify=NO_CERTIFICATES, base_url=f"{shared_account.cloud.url}/v2/{name}/", auth=(LOGIN.user, LOGIN.password)
    ) as client:
        yield client


async def upload(registry: httpx.AsyncClient, content: bytes, digest: str | None = None) -> httpx.Response:
    location = (await registry.post("blobs/uploads/")).headers["location"]
    return await registry.put(
        registry.base_url.join(location), params={"digest": digest or digest_of(content)}, content=content
    )


def complaint(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


async def test_who_has_not_signed_in_is_asked_to(registry):
    anonymous = await registry.get("manifests/v1", auth=("AWS", "guessed"))
    assert complaint(anonymous) == (401, "UNAUTHORIZED")
    assert anonymous.headers["www-authenticate"].startswith("Basic realm=")
    assert (await registry.get(registry.base_url.join("/v2/"))).status_code == 200


async def test_a_blob_is_uploaded_at_once_and_downloaded(registry):
    assert (await registry.head(f"blobs/{digest_of(BLOB)}")).status_code == 404
    done = await upload(registry, BLOB)
    assert (done.status_code, done.headers["docker-content-digest"]) == (201, digest_of(BLOB))
    assert (await registry.get(registry.base_url.join(done.headers["location"]))).content == BLOB
    head = await registry.head(f"blobs/{digest_of(BLOB)}")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(BLOB)), b"")


async def test_a_blob_is_uploaded_in_one_request(registry):
    done = await registry.post("blobs/uploads/", params={"digest": digest_of(BLOB)}, content=BLOB)
    assert (done.status_code, done.headers["docker-content-digest"]) == (201, digest_of(BLOB))


async def test_a_blob_is_uploaded_in_parts(registry):
    location = registry.base_url.join((await registry.post("blobs/uploads/")).headers["location"])
    first = await registry.patch(location, content=BLOB[:4])
    assert (first.status_code, first.headers["range"]) == (202, "0-3")
    second = await registry.patch(registry.base_url.join(first.headers["location"]), content=BLOB[4:])
    assert second.headers["range"] == f"0-{len(BLOB) - 1}"
    done = await registry.put(registry.base_url.join(second.headers["location"]), params={"digest": digest_of(BLOB)})
    assert done.status_code == 201


async def test_bytes_with_another_digest_are_refused(registry):
    assert complaint(await upload(registry, BLOB, ABSENT)) == (400, "DIGEST_INVALID")
    assert (await registry.head(f"blobs/{ABSENT}")).status_code == 404


async def test_an_upload_ends_once(registry):
    location = registry.base_url.join((await registry.post("blobs/uploads/")).headers["location"])
    for expected in (201, 404):
        assert (await registry.put(location, params={"digest": digest_of(BLOB)}, content=BLOB)).status_code == expected


async def test_a_manifest_is_put_and_read_back_byte_for_byte(registry):
    await upload(registry, BLOB)
    put = await registry.put(f"manifests/{digest_of(DOCUMENT)}", content=DOCUMENT, headers={"content-type": MANIFEST})
    assert (put.status_code, put.headers["docker-content-digest"]) == (201, digest_of(DOCUMENT))
    got = await registry.get(f"manifests/{digest_of(DOCUMENT)}")
    assert (got.content, got.headers["content-type"]) == (DOCUMENT, MANIFEST)
    assert (await registry.head(f"manifests/{digest_of(DOCUMENT)}")).headers["docker-content-digest"] == digest_of(
        DOCUMENT
    )


async def test_a_manifest_under_another_digest_is_refused(registry):
    await upload(registry, BLOB)
    assert complaint(await registry.put(f"manifests/{ABSENT}", content=DOCUMENT)) == (400, "DIGEST_INVALID")


async def test_a_manifest_whose_blobs_were_not_pushed_is_refused(registry):
    refused = await registry.put(f"manifests/{digest_of(DOCUMENT)}", content=DOCUMENT)
    assert complaint(refused) == (404, "BLOB_UNKNOWN")
    assert (await registry.get(f"manifests/{digest_of(DOCUMENT)}")).status_code == 404


@pytest.mark.parametrize(
    "content", [b"", b"not JSON", b"[]", b"7", b'{"layers": 1}', b'{"config": {"size": 1}}', b'{"layers": ["x"]}']
)
async def test_what_is_no_manifest_is_refused(registry, content):
    assert complaint(await registry.put("manifests/v1", content=content)) == (400, "MANIFEST_INVALID")


async def test_an_immutable_tag_keeps_what_it_means(registry):
    await upload(registry, BLOB)
    other = canonical(json.loads(DOCUMENT) | {"annotations": {"other": "yes"}})
    assert (await registry.put("manifests/v1", content=DOCUMENT)).status_code == 201
    assert (await registry.put("manifests/v1", content=DOCUMENT)).status_code == 201
    assert complaint(await registry.put("manifests/v1", content=other)) == (400, "TAG_INVALID")
    assert (await registry.get("manifests/v1")).content == DOCUMENT
    assert (await registry.get(f"manifests/{digest_of(other)}")).status_code == 404


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("manifests/absent", "MANIFEST_UNKNOWN"),
        (f"manifests/{ABSENT}", "MANIFEST_UNKNOWN"),
        (f"blobs/{ABSENT}", "BLOB_UNKNOWN"),
    ],
)
async def test_what_is_not_there_is_not_found(registry, place, code):
    assert complaint(await registry.get(place)) == (404, code)


async def test_a_repository_must_have_been_created(registry):
    answer = await registry.get(registry.base_url.join("/v2/never/created/manifests/v1"))
    assert complaint(answer) == (404, "NAME_UNKNOWN")
    assert complaint(await registry.post(registry.base_url.join("/v2/never/blobs/uploads/"))) == (404, "NAME_UNKNOWN")


async def test_what_refers_to_an_image_is_listed_with_it(registry):
    await upload(registry, BLOB)
    image = (await registry.put("manifests/v1", content=DOCUMENT)).headers["docker-content-digest"]
    about = canonical({**json.loads(DOCUMENT), "artifactType": "application/x-about", "subject": {"digest": image}})
    pushed = await registry.put(f"manifests/{digest_of(about)}", content=about)
    assert pushed.headers["oci-subject"] == image
    (listed,) = (await registry.get(f"referrers/{image}")).json()["manifests"]
    assert (listed["digest"], listed["artifactType"]) == (digest_of(about), "application/x-about")
    assert (await registry.get(f"referrers/{ABSENT}")).json()["manifests"] == []
