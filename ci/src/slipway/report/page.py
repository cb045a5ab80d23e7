"""Self-contained pages, made of our templates: all that is put into one is made printable, and escaped."""

from typing import Any

from slipway.report.proof_text import counted
from slipway.report.rehearsal_text import duration
from slipway.untrusted import one_line, printable


def rendered(template: str, **values: Any) -> str:
    """The page of a template; a name in it that was not given is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # the command line need not wait for it

    templates = Environment(
        loader=PackageLoader("slipway.report"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"counted": counted, "duration": duration, "one_line": one_line}
    return templates.get_template(template).render(values)


def _shown(value: Any) -> Any:
    """Text without what cannot be seen; not what a macro of ours made, which has been here before."""
    return value if hasattr(value, "__html__") else printable(str(value))
