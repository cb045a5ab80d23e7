"""Listening: where a server that was started can be asked."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Listening:
    """`url` of the simulated account, on this machine only."""

    SCHEMA: ClassVar[str] = "slipway/listening/1"

    url: str
