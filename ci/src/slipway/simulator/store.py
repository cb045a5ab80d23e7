"""What a registry holds: repositories with blobs, manifests and tags, in memory; shared by ECR's API and the registry protocol."""

import json
from dataclasses import dataclass, field
from datetime import datetime

from slipway.oci.content import digest_of

PUBLIC = "public.ecr.aws"


@dataclass
class Manifest:
    """A manifest's bytes, and when they came."""

    media_type: str
    content: bytes
    pushed: datetime

    @property
    def artifact_type(self) -> str | None:
        """What kind of artifact it says to be: its own word, or its config's media type; None when it says nothing."""
        document = json.loads(self.content)
        kind = document.get("artifactType") or (document.get("config") or {}).get("mediaType")
        return str(kind) if kind else None


@dataclass(kw_only=True)
class Repository:
    """One repository; with `immutable` a tag is put once. `labels` are AWS's tags of the repository itself."""

    name: str
    created: datetime
    immutable: bool = False
    region: str = "us-east-1"
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def put_blob(self, content: bytes) -> str:
        digest = digest_of(content)
        self.blobs[digest] = content
        return digest

    def put_manifest(self, content: bytes, media_type: str, pushed: datetime) -> str:
        """Keep a manifest under the digest of its bytes; one that is there already keeps its time."""
        digest = digest_of(content)
        self.manifests.setdefault(digest, Manifest(media_type, content, pushed))
        return digest

    def has(self, digest: str) -> bool:
        """Whether a manifest may name it."""
        return digest in self.blobs or digest in self.manifests

    def resolve(self, reference: str) -> str | None:
        """The digest behind a tag or a digest; None when it is not there."""
        digest = self.tags.get(reference, reference)
        return digest if digest in self.manifests else None


@dataclass
class Store:
    """All repositories of one account and region, and those of ECR Public that are known here."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    public: dict[str, Repository] = field(default_factory=dict)

    def named(self, uri: str) -> Repository | None:
        """The repository of a URI as a service names it, without tag and digest."""
        registry, _, name = uri.partition("/")
        return (self.public if registry == PUBLIC else self.repositories).get(name)
