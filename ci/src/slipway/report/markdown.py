"""Text that others wrote, in Markdown for GitHub: escaped in a line, or in a fence."""

import html
import re

from slipway.untrusted import one_line, printable

# What no backslash disarms: GitHub's mentions and links, which are made after Markdown, and the beginnings of lists.
_ALIVE = re.compile(r"[@#]|:(?=//)|www(?=\.)|^-|^\d+(?=\.)")


def escaped(text: str, longest: int = 300) -> str:
    """One line in which neither Markdown nor HTML means anything, and nobody is mentioned."""
    quoted = re.sub(r"([\\`*_{}\[\]()+!|~])", r"\\\1", html.escape(one_line(text, longest), quote=False))
    return _ALIVE.sub(r"\g<0>&#8203;", quoted)


def fenced(code: str, language: str = "") -> str:
    """Code in a fence that it cannot close."""
    code = printable(code)
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"
