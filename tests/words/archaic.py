"""Find constructions that the house guide rules out (CONTRIBUTING, "Words").

Run it on files or folders to list them: `python tests/words/archaic.py ci/src/slipway/release`.
"""

import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_START = r"(?:(?<=[.;:#?!] )|(?:^|(?<=\n))[\s\"'*#>-]*)"  # the beginning of a sentence, a line or a list item
ARCHAIC = {
    "a sentence that begins with what, who or that": re.compile(
        rf"{_START}(?:What (?!you|happens if|to )|Whatever |Who (?!am\b)|Whoever |Of what |Of whom |That (?:it|they|nobody|what) )(?![^.]*\?)"
    ),
    "a missing actor": re.compile(r"(?i)\b(?:nobody|somebody|anybody|whoever|whomever|whom|one's)\b"),
    "`for` that means because": re.compile(
        r", for (?:it|they|there|that|what|he|she|this is|these are|no|nothing|each|its|their|the \w+ (?:is|are|has|have|does|was|can)) "
    ),
    "a worn phrase": re.compile(
        r"(?i)\b(?:all the same|as a rule|g(?:o|oes|oing|one|went) on|be it|so that it be|in a person's words|for good\b(?! measure)|of its own accord)\b"
    ),
    "else that means otherwise": re.compile(
        r"(?:[;,.(:] ?(?:or )?else\b(?! (?:if|is|branch|clause))|\belse[.;)]|\bor else\b)"
    ),
    "data that is told, said, spoken or asked": re.compile(
        r"\b(?:is|are|was|were|be|been|being) (?:told|said|spoken|heard)\b|\b(?:says|said|told|tells|speaks) of\b|\bas told\b|\bis asked of\b"
    ),
    "something that stands or lies": re.compile(r"\b(?:stands|stood|lies|lay)\b"),
}
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`|^ {4,}\S.*$", re.MULTILINE)
_SHELL = re.compile(r"^(?!.*\bdescription:)[^#\n]*", re.MULTILINE)  # all but comments and descriptions
_WORDS = 3  # a string of fewer words is a key, not a sentence


def archaic_in(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield offset, rule and the words found."""
    for rule, pattern in ARCHAIC.items():
        for match in pattern.finditer(text):
            start = match.end() - len(match[0].lstrip())
            yield start, rule, " ".join(text[max(match.start() - 20, 0) : match.end() + 30].split())


def prose_of(file: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of docstrings, comments, sentences and test names."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        strings, docstrings = [], set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                if not isinstance(node, ast.Module) and node.name.startswith("test"):
                    yield node.lineno, node.name.replace("_", " ")
                if ast.get_docstring(node, clean=False):
                    docstrings.add(id(node.body[0].value))  # type: ignore[attr-defined] -- a docstring is an expression
            elif isinstance(node, ast.Constant | ast.JoinedStr):
                strings.append(node)
        is_test = file.name.startswith("test_") or "tests" in file.parts
        yield from _sentences(strings, docstrings if is_test else None)
        yield from _comments(text, strings)
    else:
        code = {".md": (_FENCE, _CODE), ".yml": (_SHELL,)}.get(file.suffix, ())
        yield 1, functools.reduce(lambda rest, pattern: pattern.sub(_blank, rest), code, text)


def _sentences(strings: list[ast.expr], only: set[int] | None) -> Iterator[tuple[int, str]]:
    for node in strings:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and len(node.value.split()) >= _WORDS
            and (only is None or id(node) in only)
        ):
            yield node.lineno, node.value


def _comments(text: str, strings: list[ast.expr]) -> Iterator[tuple[int, str]]:
    """Yield each comment, from the first # outside of strings; faster than to tokenize."""
    inside = [((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)) for node in strings]
    for number, line in enumerate(text.split("\n"), 1):
        if "#" in line:
            here = [(start, end) for start, end in inside if start[0] <= number <= (end[0] or 0)]
            for match in re.finditer("#", line):
                place = (number, len(line[: match.start()].encode()))
                if not any(start <= place < end for start, end in here):  # type: ignore[operator] -- parsed: it has an end
                    yield number, line[match.start() :]
                    break


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group(0))


def files_in(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(
        file
        for kind in ("py", "md", "html", "toml", "yml")
        for file in place.rglob(f"*.{kind}")
        if ".venv" not in file.parts
    )


def findings(place: Path) -> Iterator[str]:
    """Yield one line for each finding: place, rule and words."""
    for file in files_in(place):
        for line, text in prose_of(file):
            for offset, rule, words in archaic_in(text):
                yield f"{file}:{line + text.count(chr(10), 0, offset)}: {rule}: {words}"


if __name__ == "__main__":
    found = [line for place in sys.argv[1:] for line in findings(Path(place))]
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.exit(f"{len(found)} found" if found else 0)
