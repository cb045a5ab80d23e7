"""A listing: which revisions a history has, told before any of them is executed."""

from dataclasses import dataclass
from typing import ClassVar

from slipway.records.refusal import Refusal


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


@dataclass(frozen=True)
class Other:
    """A revision of others: what it follows is `down`."""

    id: str
    down: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Since:
    """What was there already.

    - name: as it was given; when it is a revision, nothing else here matters.
    - files: those at the git ref of this name, relative to the service's folder. edited: revisions among them that say something else now.
    - refusal: why git knows nothing by this name. commit: what the ref stands for.
    - ahead: the revisions that were added at `tip`, the branch we will be merged with, and are not here.
    """

    SCHEMA: ClassVar[str] = "slipway/since/1"

    name: str
    files: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    refusal: Refusal | None = None
    commit: str | None = None
    ahead: tuple[Other, ...] = ()
    tip: str = ""
