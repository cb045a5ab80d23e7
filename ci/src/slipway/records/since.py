"""Since: what git knows by the name given to `slipway gate --since`, for the gate, which knows no git."""

from dataclasses import dataclass
from typing import ClassVar

from slipway.records.refusal import Refusal


@dataclass(frozen=True)
class Other:
    """A revision of others: what it follows is `down`."""

    id: str
    down: tuple[str, ...]


@dataclass(frozen=True)
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
