"""A rehearsal as one self-contained page."""

from slipway.records.rehearsal import Rehearsal
from slipway.report.page import rendered


def html(rehearsal: Rehearsal) -> str:
    """The page."""
    return rendered("rehearsal.html", rehearsal=rehearsal)
