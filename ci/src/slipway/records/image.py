"""Image: what is shipped, named by digest and built once."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from slipway.errors import BadInputError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LONG_AGO = 315532800  # 1980, the earliest time that every archive can say: of what has none of its own


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


@dataclass(frozen=True)
class Reference:
    """An image by digest: `repository@sha256:…`, the only name that cannot come to mean something else."""

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


class ImageKind(Enum):
    """An image for containers, or the source tree of a machine without a container engine."""

    IMAGE = "image"
    TREE = "tree"


@dataclass(frozen=True, kw_only=True)
class Image:
    """One manifest. `revision` is the git commit it was built from, `size` its bytes in the registry."""

    SCHEMA: ClassVar[str] = "slipway/image/1"

    repository: str
    digest: str
    kind: ImageKind
    revision: str
    size: int

    @property
    def reference(self) -> str:
        return f"{self.repository}@{self.digest}"
