"""A bill of materials is about an image, and says the same each time."""

import json

import pytest

from slipway.errors import RefusedError
from slipway.oci.artifact import normalised_sbom, sbom_artifact

DOCUMENT = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "serialNumber": "urn:uuid:1",
    "metadata": {"timestamp": "2026-11-23T00:00:00Z", "component": {"name": "notes"}},
    "components": [{"name": "starlette", "version": "1.0"}],
}
SUBJECT = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + "a" * 64, "size": 3}


def test_two_writings_of_one_lock_are_equal():
    later = DOCUMENT | {"serialNumber": "urn:uuid:2", "metadata": DOCUMENT["metadata"] | {"timestamp": "2027"}}
    assert normalised_sbom(json.dumps(DOCUMENT)) == normalised_sbom(json.dumps(later, indent=4))


def test_what_is_installed_stays():
    document = json.loads(normalised_sbom(json.dumps(DOCUMENT)))
    assert document["components"] == DOCUMENT["components"]
    assert document["metadata"] == {"component": {"name": "notes"}}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bomFormat": "SPDX"}', '"CycloneDX"'])
def test_what_is_no_document_is_refused(text):
    with pytest.raises(RefusedError, match="uv wrote no CycloneDX document"):
        normalised_sbom(text)


def test_the_artifact_refers_to_the_image():
    manifest = json.loads(sbom_artifact(b"{}", SUBJECT).manifest().content)
    assert manifest["subject"] == SUBJECT
    assert manifest["artifactType"] == manifest["layers"][0]["mediaType"] == "application/vnd.cyclonedx+json"
