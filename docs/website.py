"""Hooks of mkdocs.yml: pages from outside docs/, generated reference pages, and links between them."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
# Files outside docs/ that the site shows: path in the repository, path in the site.
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks/index.md",
    "benchmarks/gate.svg": "benchmarks/gate.svg",
    "ci/src/slipway/simulator/README.md": "simulator.md",
}
_FROM = {shown: path for path, shown in OUTSIDE.items()}
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
_FETCHED = re.compile(r"<(?:script|img|link rel=\"(?:stylesheet|preconnect)\")[^>]*(?:src|href)=\"?(https?:[^\" >]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the rule pages and the generated pages that mkdocs.yml does not list."""
    listed = str(config.nav)
    (reference,) = (section["Reference"] for section in config.nav or () if "Reference" in section)
    reference += [page.name for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in listed]
    reference.append({"Gate rules": [{"All rules": "gate.md"}, *_families()]})
    return config


def _families() -> list[dict[str, list[str]]]:
    """Return the rule pages as the index page groups them."""
    _, *sections = re.split(r"^## ", (ROOT / "docs/gate.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    pages = {section.splitlines()[0]: re.findall(r"\((rules/\S+?\.md)\)", section) for section in sections}
    return [{heading: names} for heading, names in pages.items() if names]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for path, shown in OUTSIDE.items():
        files.append(File.generated(config, shown, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Rewrite links to pages from outside docs/; a link to source code becomes its text."""
    shown = page.file.src_uri
    folder = posixpath.dirname(_FROM.get(shown, f"docs/{shown}"))

    def rewritten(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        if not (ROOT / path).exists():
            raise PluginError(f"{shown}: the link to {target} leads nowhere")
        if path not in OUTSIDE and not (path.startswith("docs/") and (ROOT / path).is_file()):
            return text
        place = OUTSIDE.get(path, path.removeprefix("docs/"))
        return f"[{text}]({posixpath.relpath(place, posixpath.dirname(shown) or '.')}{anchor})"

    return _LINK.sub(rewritten, markdown)


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Refuse a page that fetches anything from outside the site."""
    if fetched := _FETCHED.findall(output):
        raise PluginError(f"{page.file.src_uri} fetches {', '.join(fetched)}")
    return output
