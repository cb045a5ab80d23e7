"""The revisions of a history as git and its files show them, before any is executed."""

from dataclasses import dataclass
from typing import ClassVar

from slipway.records.refusal import Refusal


@dataclass(frozen=True)
class Listed:
    """One revision in its file.

    - file: relative to the service's folder. line: of its `upgrade`. new: whether its findings are reported.
    """

    id: str
    file: str
    line: int
    new: bool


@dataclass(frozen=True)
class Listing:
    """All revisions, parents first; empty when alembic cannot read the history. `digest`: sha256 of their files, as in a proof."""

    SCHEMA: ClassVar[str] = "slipway/listing/1"

    revisions: tuple[Listed, ...]
    digest: str = ""


@dataclass(frozen=True)
class Other:
    """A revision on another branch; `down` are its parents."""

    id: str
    down: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Since:
    """The state that `--since` compares with.

    - name: of a revision or a git ref; for a revision the other fields stay empty.
    - files: revision files at the ref, relative to the service's folder. edited: those among them with changes.
    - refusal: why git cannot resolve the name. commit: the one that the ref names.
    - ahead: revisions that exist only at `tip`, the branch to be merged into.
    """

    SCHEMA: ClassVar[str] = "slipway/since/1"

    name: str
    files: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    refusal: Refusal | None = None
    commit: str | None = None
    ahead: tuple[Other, ...] = ()
    tip: str = ""
