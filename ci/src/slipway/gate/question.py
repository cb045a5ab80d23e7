"""Question: what is to be proven, and on which server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path

from sqlalchemy.engine import URL

from slipway.records.history import Since
from slipway.records.previous import Previous
from slipway.records.proof import Level


def utc_today() -> date:
    return datetime.now(tz=timezone.utc).date()


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be proven: alembic's settings file, a server to do it on, what must be there before, what is no news.

    - since: what was given in the place of start_after.
    - previous: the release that is live, which must be able to work with the new schema.
    - levels: of rules that weigh otherwise in this project; None for one that is off.
    - keep: the server is ours and comes back, so what is old may stay there for the next run.
    - patience: seconds that a step of a revision may take, and env.py beside them.
    - today: the day on which what is allowed until a day is judged.
    """

    config: Path
    server: URL
    extensions: tuple[str, ...] = ()
    start_after: str | None = None
    today: date = field(default_factory=utc_today)
    since: Since | None = None
    previous: Previous | None = None
    levels: Mapping[str, Level | None] = field(default_factory=dict)
    patience: float = 120
    keep: bool = False
