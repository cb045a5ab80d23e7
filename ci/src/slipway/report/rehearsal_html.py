"""A rehearsal as one self-contained page."""

from slipway.records.rehearsal import Rehearsal
from slipway.report.rehearsal_text import duration
from slipway.untrusted import printable


def html(rehearsal: Rehearsal) -> str:
    """The page; Jinja escapes everything that is put into it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # the command line need not wait for it

    templates = Environment(
        loader=PackageLoader("slipway.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"duration": duration, "printable": printable}
    return templates.get_template("rehearsal.html").render(rehearsal=rehearsal)
