"""Permissions: what AWS must allow so that verbs can do their work in one environment."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Permissions:
    """`policy` is the IAM policy document as the text of its JSON, as IAM takes it; `verbs` are those that it is for."""

    SCHEMA: ClassVar[str] = "slipway/permissions/1"

    environment: str
    verbs: tuple[str, ...]
    policy: str
