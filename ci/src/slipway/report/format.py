"""Formats that several reports use: numbers and lists in words, untrusted text in GitHub's Markdown, pages from our templates."""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from functools import cache, wraps
from typing import Any, ParamSpec

from slipway.records.words import counted
from slipway.untrusted import one_line, printable

P = ParamSpec("P")


def in_lines(lines: Callable[P, Iterator[str]]) -> Callable[P, str]:
    """Make a renderer of a function that yields lines."""

    @wraps(lines)
    def rendered(*args: P.args, **kwargs: P.kwargs) -> str:
        return "".join(f"{line}\n" for line in lines(*args, **kwargs))

    rendered.__annotations__ = {**lines.__annotations__, "return": str}
    return rendered


def sign(exit_code: int) -> str:
    return {0: "✅", 1: "❌", 2: "❌", 4: "❌"}.get(exit_code, "❓")


def duration(seconds: float) -> str:
    """Return a duration such as `4 m 57 s` or `5.1 s`."""
    return f"{int(seconds) // 60} m {int(seconds) % 60:02d} s" if seconds >= 60 else f"{seconds:.1f} s"


def clock(seconds: float) -> str:
    """Return a duration such as `0:07`, `3:10` or `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def moment(seconds: float, precision: str = "seconds") -> str:
    """Return a Unix time in UTC, such as `2026-11-27 23:09:38Z`."""
    time = datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)
    return f"{time.isoformat(' ', precision)}Z"


def heads(revisions: Sequence[str], none: str = "no revision") -> str:
    """Return the heads of a history or a database in one line; `none` when there are none."""
    return one_line(", ".join(revisions)) or none


# A backslash does not disarm these: GitHub makes mentions and links after parsing Markdown. The others would begin
# lists.
_ALIVE = re.compile(r"[@#]|:(?=//)|www(?=\.)|^-|^\d+(?=\.)")


def escaped(text: str, longest: int = 300) -> str:
    """Return text as one line without effect in Markdown and HTML, in which GitHub finds no mention of an account."""
    quoted = re.sub(r"([\\`*_{}\[\]()+!|~])", r"\\\1", html.escape(one_line(text, longest), quote=False))
    return _ALIVE.sub(r"\g<0>&#8203;", quoted)


def fenced(code: str, language: str = "") -> str:
    """Put code into a Markdown fence that is longer than any fence in the code."""
    code = printable(code)
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def rendered(template: str, **values: Any) -> str:
    """Render a template. Raise an error when the template uses a name that `values` lacks."""
    page: str = _templates().get_template(template).render(values)
    return page


@cache
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # slow to import; only pages need it

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
    """Remove unprintable characters. Leave the output of our own macros, where they were removed already."""
    return value if hasattr(value, "__html__") else printable(str(value))
