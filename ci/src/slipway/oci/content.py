"""Content named by digest: descriptors, manifests and artifacts of the OCI image specification 1.1."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.errors import RefusedError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(content: bytes) -> str:
    """Return `sha256:` and 64 hexadecimal digits; a manifest's digest is that of its bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Blob:
    """Bytes with their media type."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.content)

    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


EMPTY = Blob("application/vnd.oci.empty.v1+json", b"{}")  # the config of an artifact that has none


def canonical(value: object) -> bytes:
    """Encode JSON canonically, so that equal content has an equal digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A manifest with the blobs that it refers to."""

    kind: str  # its artifactType
    config: Blob
    layers: tuple[Blob, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Mapping[str, Any] | None = None  # the descriptor of the image that it describes

    def manifest(self) -> Blob:
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": self.kind,
            "config": self.config.descriptor(),
            "layers": [layer.descriptor() for layer in self.layers],
            "annotations": dict(self.annotations),
        } | ({"subject": dict(self.subject)} if self.subject else {})
        return Blob(MANIFEST, canonical(document))


SBOM = "application/vnd.cyclonedx+json"


def normalised_sbom(text: str) -> bytes:
    """Return a CycloneDX document without its serial number and time, which differ on every writing.

    Raises RefusedError when the text is not a CycloneDX document.
    """
    try:
        document: dict[str, Any] = json.loads(text)
        assert document["bomFormat"] == "CycloneDX"
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise RefusedError("uv wrote no CycloneDX document", f"the image has no bill of materials ({error})") from error
    document.pop("serialNumber", None)
    document.get("metadata", {}).pop("timestamp", None)
    return canonical(document)


def sbom_artifact(document: bytes, subject: dict[str, Any]) -> Artifact:
    """Build the artifact that registries list among the referrers of the image `subject`."""
    return Artifact(kind=SBOM, config=EMPTY, layers=(Blob(SBOM, document),), annotations={}, subject=subject)
