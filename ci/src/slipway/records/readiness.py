"""Readiness: what a live release says of itself where it is asked for its health, and of the database behind it.

A database in a private network is seen by nobody else.
"""

from dataclasses import dataclass
from typing import ClassVar

Heads = tuple[str, ...]


@dataclass(frozen=True)
class Readiness:
    """The JSON that a service may answer at its health path: `image_head`, `database_head` and `git_revision`.

    - image: the heads that the release knows. database: those at which its database stands; empty before the first revision.
    - commit: what the release was built from. Each is None when the answer does not say it.
    """

    SCHEMA: ClassVar[str] = "slipway/readiness/1"

    image: Heads | None = None
    database: Heads | None = None
    commit: str | None = None
