import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.errors import BadInputError
from slipway.oci.artifact import MANIFEST, Artifact, Blob, canonical, digest_of
from slipway.records.image import Reference, is_digest

DIGEST = "sha256:" + "0a" * 32


@given(st.binary(max_size=200))
def test_a_digest_is_the_sha256_of_the_bytes(content):
    assert digest_of(content) == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert is_digest(digest_of(content))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "latest",
        "sha256:",
        "sha256:" + "0" * 63,
        "sha256:" + "0" * 65,
        "sha256:" + "G" * 64,
        f"{DIGEST}\n",
        "md5:00",
    ],
)
def test_anything_else_is_no_digest(text):
    assert not is_digest(text)


def test_a_reference_is_read_as_it_is_written():
    text = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/notes@{DIGEST}"
    reference = Reference.parse(text)
    assert reference == Reference("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/notes", DIGEST)
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "notes",
        "notes:latest",
        "registry:5000/notes:1.2",
        "notes@latest",
        "notes@sha256:0123",
        f"@{DIGEST}",
        f"notes@{DIGEST}@{DIGEST}",
        f"notes@{DIGEST} ",
    ],
)
def test_a_reference_without_a_digest_is_refused_with_the_form_that_is_wanted(text):
    with pytest.raises(BadInputError) as refused:
        Reference.parse(text)
    assert repr(text) in refused.value.what
    assert "repository@sha256:…" in refused.value.next_step


def test_equal_content_has_one_spelling():
    assert canonical({"b": 1, "a": [1, 2]}) == canonical({"a": [1, 2], "b": 1}) == b'{"a":[1,2],"b":1}'


def test_a_manifest_names_its_config_and_layers_by_digest_and_size():
    artifact = Artifact(
        kind="application/x-kind",
        config=Blob("application/x-c", b"{}"),
        layers=(Blob("application/x-l", b"layer"),),
        annotations={"a": "b"},
    )
    manifest = artifact.manifest()
    document = json.loads(manifest.content)
    assert manifest.media_type == document["mediaType"] == MANIFEST
    assert manifest.digest == digest_of(manifest.content)
    assert document["artifactType"] == "application/x-kind"
    assert document["config"] == {"mediaType": "application/x-c", "digest": digest_of(b"{}"), "size": 2}
    assert document["layers"] == [{"mediaType": "application/x-l", "digest": digest_of(b"layer"), "size": 5}]
    assert document["annotations"] == {"a": "b"}
