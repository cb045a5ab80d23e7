"""History -> Listing: the files are read, nothing is executed."""

from pathlib import Path

from sqlalchemy.engine import URL

from slipway.gate import history
from slipway.migration.environment import Environment
from slipway.records.history import Listed, Listing, Since


def listing(config: Path, server: URL, start_after: str | None, since: Since | None = None) -> Listing:
    """The revisions as alembic sees them; raises BadInputError when it cannot read them."""
    past = history.read(Environment(config, server), start_after, since)
    listed = tuple(Listed(node.id, node.file, node.upgrade_line, node.new) for node in past.nodes)
    return Listing(listed, past.digest)
