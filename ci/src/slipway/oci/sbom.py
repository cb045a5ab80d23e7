"""A CycloneDX bill of materials as an artifact that refers to an image: registries list it among the image's referrers."""

import json
from typing import Any

from slipway.errors import RefusedError
from slipway.oci.content import EMPTY, Artifact, Blob, canonical

KIND = "application/vnd.cyclonedx+json"


def normalised(text: str) -> bytes:
    """The document without what differs from one writing to the next (its serial number, its time); raises RefusedError when it is none."""
    try:
        document: dict[str, Any] = json.loads(text)
        assert document["bomFormat"] == "CycloneDX"
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise RefusedError("uv wrote no CycloneDX document", f"the image has no bill of materials ({error})") from error
    document.pop("serialNumber", None)
    document.get("metadata", {}).pop("timestamp", None)
    return canonical(document)


def artifact(document: bytes, subject: dict[str, Any]) -> Artifact:
    """The artifact for the image whose descriptor is `subject`."""
    return Artifact(kind=KIND, config=EMPTY, layers=(Blob(KIND, document),), annotations={}, subject=subject)
