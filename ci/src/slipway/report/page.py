"""Self-contained HTML pages from our templates; every value is made printable and escaped."""

from functools import cache
from typing import Any

from slipway.report.words import counted, duration
from slipway.untrusted import one_line, printable


def rendered(template: str, **values: Any) -> str:
    """Render a template; raises when it uses a name that `values` lacks."""
    page: str = _templates().get_template(template).render(values)
    return page


@cache
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # slow to import, needed for pages only

    templates = Environment(
        loader=PackageLoader("slipway.report"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"counted": counted, "duration": duration, "one_line": one_line}
    return templates


def _shown(value: Any) -> Any:
    """Drop unprintable characters, except from the output of our own macros, which is clean already."""
    return value if hasattr(value, "__html__") else printable(str(value))
