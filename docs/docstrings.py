"""Descriptions of dataclasses and their fields, read from docstrings.

A docstring is a paragraph, then lines such as `- live, url: words. seconds: words.` about the fields.
"""

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable


def sentences(kind: type) -> str:
    """Return the first part of the docstring as one paragraph."""
    text = re.split(r"^- ", _text(kind), maxsplit=1, flags=re.MULTILINE)[0]
    return " ".join(text.split())


def of_fields(kind: type, spelling: Callable[[str], str]) -> dict[str, str]:
    """Return the description of each field, by its spelled name."""
    names = "|".join(spelling(field.name) for field in dataclasses.fields(kind))
    name = rf"(?:{names})(?: \([^)]*\))?"
    descriptions = {}
    for line in re.findall(r"^- (.+)$", re.sub(r"\n {2,}(?=[^- ])", " ", _text(kind)), re.MULTILINE):
        _, *parts = re.split(rf"(?:^|(?<=[.;,]) )({name}(?:, {name})*): ", line)
        for described, words in zip(parts[::2], parts[1::2], strict=True):
            descriptions |= {each.partition(" (")[0]: words.rstrip(".;,") for each in described.split(", ")}
    return descriptions


def _text(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def wrapped(text: str, indent: str = "") -> str:
    """Return a paragraph in lines of at most 100 columns, as far as its words allow."""
    options = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(text, 100, subsequent_indent=indent, **options)  # type: ignore[arg-type]
