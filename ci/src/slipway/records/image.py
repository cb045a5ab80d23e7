"""Image: what is shipped, named by digest and built once."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

LONG_AGO = 315532800  # 1980, the earliest time that every archive can say: of what has none of its own


class ImageKind(Enum):
    """An image for containers, or the source tree of a machine without a container engine."""

    IMAGE = "image"
    TREE = "tree"


@dataclass(frozen=True)
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
