"""A listing: which revisions a history has, told before any of them is executed."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Listed:
    """One revision as it stands in its file.

    - file: relative to the service's folder. line: where its upgrade begins. new: whether its findings are news.
    """

    id: str
    file: str
    line: int
    new: bool


@dataclass(frozen=True)
class Listing:
    """All revisions, parents first; none when the graph cannot be walked. `digest` is the sha256 of their files, as in a proof."""

    SCHEMA: ClassVar[str] = "slipway/listing/1"

    revisions: tuple[Listed, ...]
    digest: str = ""
