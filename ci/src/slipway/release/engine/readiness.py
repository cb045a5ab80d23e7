"""A release's statement about itself and its database: the JSON at its health path. Pure; the text is untrusted."""

import json
import re

from slipway.records.migration import Heads, Readiness

_REVISION = re.compile(r"\w{1,64}")  # alembic's generated and hand-written ids; git's
_MOST_HEADS = 32


def said(text: str) -> Readiness | None:
    """Read a health path's body; None when it makes no such statement."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    reached = body.get("database") != "unreachable"
    database = _heads(body, "database_head") if reached else None
    readiness = Readiness(_heads(body, "image_head"), database, _commit(body.get("git_revision")))
    return None if readiness == Readiness() else readiness


def _heads(body: dict[str, object], key: str) -> Heads | None:
    """Read one head, several, or null: a database before its first revision."""
    if key not in body:
        return None
    value = body[key]
    heads = value if isinstance(value, list) else [] if value is None else [value]
    if len(heads) > _MOST_HEADS or not all(isinstance(head, str) and _REVISION.fullmatch(head) for head in heads):
        return None
    return tuple(sorted(heads))


def _commit(value: object) -> str | None:
    return value if isinstance(value, str) and _REVISION.fullmatch(value) and value != "unknown" else None
