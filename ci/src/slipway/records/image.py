"""Image: the artifact of a release, built once and named by digest."""

import re
from dataclasses import dataclass
from enum import Enum

from slipway.errors import BadInputError
from slipway.records.form import Record

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Unix time of 1980, the earliest that every archive format can store; used for files without a time
LONG_AGO = 315532800


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


@dataclass(frozen=True)
class Reference:
    """An image by digest, `repository@sha256:…`: unlike a tag it always means the same image."""

    repository: str
    digest: str

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read `repository@sha256:…`; raises BadInputError for a tag."""
        repository, at, digest = text.partition("@")
        if not at or not repository or not is_digest(digest):
            raise BadInputError(
                f"{text!r} does not name an image by digest",
                "give repository@sha256:… as `dagger call publish` prints it",
            )
        return cls(repository, digest)

    @staticmethod
    def digest_in(text: str) -> str | None:
        """Return the digest in `repository@sha256:…`; None when the text has none."""
        digest = text.partition("@")[2]
        return digest if is_digest(digest) else None


class ImageKind(Enum):
    """A container image, or a source tree for machines without a container engine."""

    IMAGE = "image"
    TREE = "tree"


@dataclass(frozen=True, kw_only=True)
class Image(Record, schema="slipway/image/1"):
    """One manifest. `revision` is the git commit of its source; `size` is in bytes."""

    repository: str
    digest: str
    kind: ImageKind
    revision: str
    size: int

    @property
    def reference(self) -> str:
        return f"{self.repository}@{self.digest}"
