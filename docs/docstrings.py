"""What the docstring of a dataclass says: sentences of the whole, and of its fields lines such as `- live, url: words. seconds: words.` below."""

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable


def sentences(kind: type) -> str:
    """What it says of the whole, as one paragraph."""
    text = re.split(r"^- ", _text(kind), maxsplit=1, flags=re.MULTILINE)[0]
    return " ".join(text.split())


def of_fields(kind: type, spelling: Callable[[str], str]) -> dict[str, str]:
    """What it says of each field, by the field's name in this spelling; a line may go on below."""
    names = "|".join(spelling(field.name) for field in dataclasses.fields(kind))
    name = rf"(?:{names})(?: \([^)]*\))?"
    said = {}
    for line in re.findall(r"^- (.+)$", re.sub(r"\n {2,}(?=[^- ])", " ", _text(kind)), re.MULTILINE):
        _, *parts = re.split(rf"(?:^|(?<=[.;,]) )({name}(?:, {name})*): ", line)
        for who, words in zip(parts[::2], parts[1::2], strict=True):
            said |= {each.partition(" (")[0]: words.rstrip(".;,") for each in who.split(", ")}
    return said


def _text(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def wrapped(text: str, indent: str = "") -> str:
    """Return a paragraph in lines of at most 100 columns, as far as its words allow."""
    options = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(text, 100, subsequent_indent=indent, **options)  # type: ignore[arg-type]
