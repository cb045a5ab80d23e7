"""The prefixes of routes: prefixes of routers and blueprints, and of the calls that mount them.

The code is read, not run.
"""

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from slipway.finder.imports import origin_of
from slipway.finder.tree import Tree, called, module_of, parsed, text_in

_ROUTERS: Final = {"APIRouter": "prefix", "Blueprint": "url_prefix", "APIBlueprint": "url_prefix"}
_MOUNTING: Final = {"include_router": "prefix", "register_blueprint": "url_prefix"}
_DEEPEST: Final = 5  # how many imports of one name are followed

Router = tuple[str, str]  # the router's module and name


@dataclass(frozen=True)
class Prefix:
    """A prefix, and the reason if it is a guess."""

    text: str = ""
    guessed: str = ""

    def __add__(self, other: "Prefix") -> "Prefix":
        return Prefix(self.text + other.text, self.guessed or other.guessed)


@dataclass(frozen=True)
class _Mount:
    """A call that mounts a router on another router or on the application.

    A prefix in Flask's call replaces the blueprint's.
    """

    router: Router
    on: Router
    prefix: Prefix | None
    replaces: bool


@dataclass(frozen=True)
class Mounts:
    """The routers of a service with their own prefixes, and the calls that mount them."""

    routers: dict[Router, Prefix]
    mounts: tuple[_Mount, ...]

    def prefix(self, router: Router, inner: tuple[Router, ...] = ()) -> Prefix:
        """Return the prefix of a router's routes. `inner` are the routers on the way that are mounted on it."""
        if router in inner:
            return Prefix("", "routers are mounted in a circle")
        own = self.routers.get(router, Prefix())
        mounts = list(dict.fromkeys(each for each in self.mounts if each.router == router))
        if len(mounts) != 1:
            why = "a router is mounted twice" if mounts else "a router may be mounted under a prefix"
            return own + Prefix("", why)
        (mount,) = mounts
        above = self.prefix(mount.on, (*inner, router)) if mount.on in self.routers else Prefix()
        if mount.prefix is None:
            return above + own
        return above + mount.prefix + (Prefix() if mount.replaces else own)


@functools.lru_cache(maxsize=1)
def mounts_in(tree: Tree) -> Mounts:
    """Return the routers that the service's modules create, and the calls that mount them."""
    routers, calls = dict[Router, Prefix](), []
    for file in tree.sources:
        text = tree.read(file)
        if not any(word in text for word in (*_ROUTERS, *_MOUNTING)):
            continue
        module = module_of(file, tree)
        for node in ast.walk(parsed(text)):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and called(node.value) in _ROUTERS:
                prefix = _prefix(tree, node.value, _ROUTERS[called(node.value)]) or Prefix()
                routers |= {(module, ast.unparse(target)): prefix for target in node.targets}
            elif isinstance(node, ast.Call) and called(node) in _MOUNTING:
                calls.append((file, module, node))
    return Mounts(routers, tuple(_mounted(tree, routers, calls)))


def _mounted(tree: Tree, routers: dict[Router, Prefix], calls: list[tuple[str, str, ast.Call]]) -> Iterator[_Mount]:
    for file, module, call in calls:
        given = call.args[:1] or [each.value for each in call.keywords if each.arg in {"router", "blueprint"}]
        router = _named(tree, routers, file, ast.unparse(given[0])) if given else None
        if router:
            owner = ast.unparse(call.func).rpartition(".")[0]
            on = _named(tree, routers, file, owner) or (module, owner)
            keyword = _MOUNTING[called(call)]
            yield _Mount(router, on, _prefix(tree, call, keyword), replaces=keyword == "url_prefix")


def _named(tree: Tree, routers: dict[Router, Prefix], file: str, path: str, depth: int = 0) -> Router | None:
    """Return the router that a module calls by a name, or by a path such as `public.api.blueprint`."""
    module = module_of(file, tree)
    above, _, last = path.rpartition(".")
    if (module, path) in routers or depth > _DEEPEST:
        return (module, path) if (module, path) in routers else None
    if above:  # the only module with such a router whose name ends with the path
        ends = f".{above.rpartition('.')[2]}"
        aliases = _imports(tree, file)
        full = aliases.get(above.partition(".")[0], "")
        found = [each for each in routers if each[1] == last and f".{each[0]}".endswith((ends, f".{full}"))]
        exact = [each for each in found if f".{each[0]}".endswith(f".{above}")]
        if len(exact or found) == 1:
            return (exact or found)[0]
        imported = tree.modules.get(full)
        return _named(tree, routers, imported, last, depth + 1) if imported else None
    origin = _imports(tree, file).get(path, "")
    module, _, original = origin.rpartition(".")
    if (module, original) in routers:
        return module, original
    imported = tree.modules.get(module)
    return _named(tree, routers, imported, original, depth + 1) if imported else None


@functools.lru_cache(maxsize=256)
def _imports(tree: Tree, file: str) -> dict[str, str]:
    """Return the dotted names of the objects that a module imports, by their names in the module."""
    module, found = module_of(file, tree), dict[str, str]()
    for node in ast.walk(parsed(tree.read(file))):
        if isinstance(node, ast.ImportFrom):
            origin = origin_of(node, module, is_package=file.endswith("__init__.py"))
            found |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: alias.name for alias in node.names}
    return found


def _prefix(tree: Tree, call: ast.Call, keyword: str) -> Prefix | None:
    """Return the prefix in a call; None when the call has no such argument."""
    given = next((each.value for each in call.keywords if each.arg in {keyword, None}), None)
    return None if given is None else _text(tree, given)


def _text(tree: Tree, node: ast.expr) -> Prefix:
    """Return a literal text, or the text of a constant.

    For an attribute of settings, which may have another value, say that it is a guess.
    """
    if (text := text_in(node)) is not None:
        return Prefix(text.rstrip("/"))
    if isinstance(node, ast.JoinedStr):
        parts = [_text(tree, each.value if isinstance(each, ast.FormattedValue) else each) for each in node.values]
        return sum(parts, Prefix())
    name = getattr(node, "id", getattr(node, "attr", ""))
    assigned = re.compile(rf"""^[ \t]*{re.escape(name)}\b[^=\n]*=\s*["']([^"'\n]*)["']""", re.MULTILINE)
    found = {
        text for each in tree.sources if name and name in tree.read(each) for text in assigned.findall(tree.read(each))
    }
    if len(found) == 1:
        guessed = "" if isinstance(node, ast.Name) else f"the prefix is {name}, which may be set"
        return Prefix(found.pop().rstrip("/"), guessed)
    return Prefix("", "a router's prefix is computed")
