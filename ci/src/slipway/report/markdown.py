"""Untrusted text in GitHub's Markdown: escaped in a line, or inside a fence."""

import html
import re

from slipway.untrusted import one_line, printable

# No backslash disarms these: GitHub makes mentions and links after it has parsed Markdown; the rest begin lists.
_ALIVE = re.compile(r"[@#]|:(?=//)|www(?=\.)|^-|^\d+(?=\.)")


def escaped(text: str, longest: int = 300) -> str:
    """Return one line without effect in Markdown and HTML that mentions no account."""
    quoted = re.sub(r"([\\`*_{}\[\]()+!|~])", r"\\\1", html.escape(one_line(text, longest), quote=False))
    return _ALIVE.sub(r"\g<0>&#8203;", quoted)


def fenced(code: str, language: str = "") -> str:
    """Put code into a fence that the code cannot close."""
    code = printable(code)
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"
