"""What a health path's answer says of a release and its database. Pure; the answer is untrusted."""

import json
import re

from slipway.records.migration import Heads, Readiness

_REVISION = re.compile(r"\w{1,64}")  # alembic's ids, its own and those that people choose; git's
_MOST_HEADS = 32


def said(text: str) -> Readiness | None:
    """None when the answer says nothing of the kind."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    reached = answer.get("database") != "unreachable"
    database = _heads(answer, "database_head") if reached else None
    found = Readiness(_heads(answer, "image_head"), database, _commit(answer.get("git_revision")))
    return None if found == Readiness() else found


def _heads(answer: dict[str, object], key: str) -> Heads | None:
    """One head, several of them, or null: there is no revision yet."""
    if key not in answer:
        return None
    value = answer[key]
    heads = value if isinstance(value, list) else [] if value is None else [value]
    if len(heads) > _MOST_HEADS or not all(isinstance(head, str) and _REVISION.fullmatch(head) for head in heads):
        return None
    return tuple(sorted(heads))


def _commit(value: object) -> str | None:
    return value if isinstance(value, str) and _REVISION.fullmatch(value) and value != "unknown" else None
