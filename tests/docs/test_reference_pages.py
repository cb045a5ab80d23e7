import importlib.util
import re
from pathlib import Path

from slipway.gate.rulebook import ALLOWABLE

ROOT = Path(__file__).parents[2]


def test_the_reference_pages_are_what_the_code_says():
    spec = importlib.util.spec_from_file_location("make", ROOT / "docs/make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    for name, text in make.pages().items():
        assert (ROOT / "docs" / name).read_text() == text, "run python docs/make.py"


def test_every_key_of_the_settings_is_explained():
    empty = re.findall(r"^\| `([a-z-]+)` \|  \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    assert empty == []


def test_no_two_rules_bear_one_id():
    listed = re.findall(r"^\| \[(\S+) ", (ROOT / "docs/gate.md").read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed)) > 60


def test_every_rule_has_a_page():
    assert {page.stem for page in (ROOT / "docs/rules").glob("*.md")} >= ALLOWABLE


def test_every_page_of_a_rule_is_one_of_the_index():
    pages = {page.stem for page in (ROOT / "docs/rules").glob("*.md")}
    assert pages == set(re.findall(r"\(rules/(\S+)\.md\)", (ROOT / "docs/gate.md").read_text()))


def test_the_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert all((ROOT / link).exists() for link in links if "://" not in link)


def test_every_file_that_the_table_of_changes_names_exists():
    """A path from the root or from the package; a name alone, or with its folder, of any file in the package."""
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("### Where a change goes")[2].partition("\n## ")[0]
    package = ROOT / "ci/src/slipway"
    known = {f"/{file.relative_to(package)}" for file in package.rglob("*.py")}
    named = set(re.findall(r"`([\w.-]+(?:/[\w.-]+)+|\w+\.py)`", table))
    assert len(named) > 60
    absent = {name for name in named if not any((place / name).exists() for place in (ROOT, package))}
    assert {name for name in absent if not any(each.endswith(f"/{name}") for each in known)} == set()
