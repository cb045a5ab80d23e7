"""Content named by its digest: descriptors and manifests, as the OCI image specification 1.1 has them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(content: bytes) -> str:
    """`sha256:` and 64 hexadecimal digits; the digest of a manifest is that of its bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Blob:
    """Some bytes and what they are."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.content)

    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


EMPTY = Blob("application/vnd.oci.empty.v1+json", b"{}")  # what stands where an artifact has no configuration


def canonical(value: object) -> bytes:
    """JSON in one spelling, so that equal content has an equal digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A manifest with what it refers to. `kind` is its artifactType, `subject` the descriptor of the image that it is about."""

    kind: str
    config: Blob
    layers: tuple[Blob, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Mapping[str, Any] | None = None

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
