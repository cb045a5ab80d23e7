"""The words of source, tests and pages follow CONTRIBUTING, "Words"."""

import ast
import re
from pathlib import Path

import pytest

from tests.words.archaic import findings, prose_of

ROOT = Path(__file__).parents[2]
ALONE = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "Makefile",
    "mkdocs.yml",
    "pyproject.toml",
    "ci/pyproject.toml",
    ".github",
    "app",
    "migrations",
    "benchmarks",
    "docs",
]
ROOMS = sorted(
    [room for place in ("ci/src/slipway", "tests") for room in (ROOT / place).iterdir() if room.name[0] not in "._"]
    + [ROOT / name for name in ALONE]
)
# Generated pages are wrapped by their generators; tables and links cannot be.
PLACES = {
    "top": ["*.md"],
    "docs": ["docs/*.md", "docs/conformance/*.md"],
    "how-to": ["docs/how-to/*.md", "docs/explanation/*.md"],
    "rules": ["docs/rules/*.md"],
    "elsewhere": ["benchmarks/*.md", "ci/src/**/*.md", "tests/**/*.md"],
}
COLUMNS = 100
_UNWRAPPED = re.compile(r"\s*\||    |.*\]\(|.*://")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_has_no_archaic_constructions(room):
    assert list(findings(room)) == []


@pytest.mark.parametrize("place", PLACES)
def test_pages_have_at_most_a_hundred_columns(place):
    pages = [page for pattern in PLACES[place] for page in sorted(ROOT.glob(pattern))]
    assert pages
    assert [
        f"{page.relative_to(ROOT)}: {line}"
        for page in pages
        for line in _FENCE.sub("", page.read_text()).splitlines()
        if len(line) > COLUMNS and not _UNWRAPPED.match(line)
    ] == []


def test_docstrings_comments_sentences_and_test_names_are_checked(tmp_path):
    file = tmp_path / "test_example.py"
    file.write_text('"""A module of examples."""\n\n\ndef test_it_works():\n    return "a # b"  # as # expected\n')
    assert list(prose_of(file)) == [(4, "test it works"), (1, "A module of examples."), (5, "# as # expected")]


@pytest.mark.parametrize(
    "sentence",
    [
        "What is live.",
        "Nobody knows.",
        "It waits, for it is busy.",
        "The run goes on.",
        "Retry, or else stop.",
        "The state is told.",
        "The code stands there.",
    ],
)
def test_an_archaic_sentence_is_found(tmp_path, sentence):
    file = tmp_path / "page.md"
    file.write_text(f"# Title\n\n{sentence}\n\n`Nobody knows.`\n\n    Nobody knows.\n")
    (line,) = findings(file)
    assert line.startswith(f"{file}:3: ")


def test_records_of_more_than_four_fields_and_calls_of_six_arguments_name_them():
    unnamed = []
    for file in (ROOT / "ci/src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and len(node.args) >= 6:
                unnamed.append(f"{file}:{node.lineno}")
            if isinstance(node, ast.ClassDef) and sum(map(_is_field, node.body)) > 4:
                how = [ast.unparse(each) for each in node.decorator_list]
                unnamed += [f"{file}: {node.name}" for each in how if re.match(r"dataclass\b(?!.*kw_only)", each)]
    assert unnamed == []


def _is_field(node):
    return isinstance(node, ast.AnnAssign) and not ast.unparse(node.annotation).startswith("ClassVar")
