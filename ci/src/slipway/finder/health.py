"""The path that answers when the service is ready, from declared health checks and from routes in the code."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from slipway.finder.compose import of_own_services
from slipway.finder.kubernetes import serving
from slipway.finder.mounting import Prefix, mounts_in
from slipway.finder.start import CHECKED, checks_of_images
from slipway.finder.tree import COMPOSE, Tree, called, module_of, parsed, text_in
from slipway.records.survey import Fact, Subject

_WORDS: Final = (
    "ready",
    "readiness",
    "readyz",
    "readyness",
    "health",
    "healthz",
    "healthcheck",
    "live",
    "livez",
    "liveness",
    "status",
    "ping",
    "heartbeat",
    "alive",
)
_ROUTE: Final = re.compile(rf"/(?:[\w-]+/)*_{{0,2}}(?:{'|'.join(_WORDS)})(?:[-_]?check)?_{{0,2}}/?")
_MENTIONED: Final = re.compile(rf"[\"']{_ROUTE.pattern}[\"']")
_MENTIONED_BELOW_A_PREFIX: Final = re.compile(rf"[\"']/?{_ROUTE.pattern[1:]}[\"']")
_ROUTING: Final = {
    "get",
    "route",
    "api_route",
    "add_route",
    "add_api_route",
    "add_url_rule",
    "head",
    "Route",
    "handler",
    "path",
    "APIRoute",
    "add_get",
}
# These words also name things that a service manages, such as the status of an order.
_WEAK: Final = re.compile(r"/(?:(?:api|v\d+)/)*_{0,2}(?:live|status|ping|heartbeat|alive)(?:[-_]?check)?_{0,2}/?")
_PLATFORMS: Final = r"(?:[\w.-]+/)*(?:railway[\w.-]*\.(?:json|toml)|render\.ya?ml|fly\.toml)|(?:\.do/)?app\.ya?ml"
_DECLARED: Final = re.compile(r"""\s*["']?health_?check_?path["']?\s*[:=]\s*["']?(/[\w/.-]*)""", re.IGNORECASE)
_STRONG: Final = re.compile(r"ready|health|livez|liveness|readi")


def health_path(tree: Tree) -> Iterator[Fact]:
    """Yield the paths of declared health checks, then those of routes.

    When there are none, yield a path that the framework answers.
    """
    yield from (Fact(subject=Subject.HEALTH_PATH, value=each[2], place=place) for place, each in checks_of_images(tree))
    of_containers = (each for container in serving(tree) for each in container.health_paths())
    yield from (Fact(subject=Subject.HEALTH_PATH, value=path, place=place) for place, path in of_containers)
    for name in tree.matching(COMPOSE):
        for place, line in of_own_services(tree, name):
            if (match := CHECKED.search(line)) and _ROUTE.fullmatch(match[2]):
                yield Fact(subject=Subject.HEALTH_PATH, value=match[2], place=place)
    for name in tree.matching(_PLATFORMS):
        for place, line in tree.lines(name):
            if match := _DECLARED.match(line):
                yield Fact(subject=Subject.HEALTH_PATH, value=match[1], place=place)
    routes = [fact for name in tree.sources for fact in _routes(tree, name)]
    yield from sorted(routes, key=lambda fact: (_rank(fact.value), fact.value.count("/"), fact.place))
    if not routes:
        yield from _documentation(tree)


def _documentation(tree: Tree) -> Iterator[Fact]:
    """Yield the path of FastAPI's documentation, when the service makes one application and does not move that path."""
    made = [
        (f"{name} line {node.lineno}", node)
        for name in tree.sources
        if "FastAPI(" in tree.read(name)
        for node in ast.walk(parsed(tree.read(name)))
        if isinstance(node, ast.Call) and called(node) == "FastAPI"
    ]
    for place, node in made if len(made) == 1 else ():
        named = {each.arg: each.value for each in node.keywords}
        if not {None, "docs_url"} & {*named} and not isinstance(named.get("openapi_url"), (ast.IfExp, ast.Constant)):
            guessed = "no health check or route found; FastAPI shows its documentation there"
            yield Fact(subject=Subject.HEALTH_PATH, value="/docs", place=place, guessed=guessed)


def _rank(path: str) -> int:
    return next((place for place, word in enumerate(_WORDS) if word in path), len(_WORDS))


def _routes(tree: Tree, name: str) -> Iterator[Fact]:
    text, module, mounts = tree.read(name), module_of(name, tree), mounts_in(tree)
    prefixes = [mounts.prefix(each).text for each in mounts.routers if each[0] == module]
    mentioned = _MENTIONED_BELOW_A_PREFIX if any(prefixes) else _MENTIONED
    if not any(map(_ROUTE.fullmatch, prefixes)) and not mentioned.search(text):
        return
    for node in ast.walk(parsed(text)):
        if not isinstance(node, ast.Call) or called(node) not in _ROUTING:
            continue
        texts = map(
            text_in, (*node.args, *(each.value for each in node.keywords if each.arg in {"path", "rule", "pattern"}))
        )
        owner = ast.unparse(node.func).rpartition(".")[0]
        on_application = owner in {"app", "application", "config"} or called(node) == "Route"
        prefix = Prefix() if on_application else mounts.prefix((module, owner))
        for path in texts:
            slash = "/" if path and path[0] != "/" and prefix.text else ""  # Flask adds this slash
            whole = f"{prefix.text}{slash}{path}"
            if path is not None and _ROUTE.fullmatch(whole):
                named = _STRONG.search(whole) or _WEAK.fullmatch(whole)
                guessed = prefix.guessed or ("" if named else "from its name only")
                yield Fact(
                    subject=Subject.HEALTH_PATH, value=whole, place=f"{name} line {node.lineno}", guessed=guessed
                )
